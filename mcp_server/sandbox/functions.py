"""What a program can call."""

from collections.abc import Set as AbstractSet
from typing import Any, Protocol

from pydantic_monty import ExcType

__all__ = ["CallFailed", "Functions"]


class CallFailed(Exception):
    """Why a call did not work; the program sees it as an exception of `kind`, and can catch it."""

    def __init__(self, message: str, kind: ExcType = "RuntimeError") -> None:
        super().__init__(message)
        self.kind: ExcType = kind


class Functions(Protocol):
    @property
    def names(self) -> AbstractSet[str]:
        """What can be called, and what is refused with a reason."""
        ...

    async def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Plain data. Raises CallFailed."""
        ...
