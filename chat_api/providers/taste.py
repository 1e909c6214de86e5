"""What a model's server does not take, as it has said before: it is not sent again."""

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["Taste"]

_COUNTED: Final = {"stream_options": {"include_usage": True}}
_NEW_NAME: Final = "max_completion_tokens"


class Taste:
    """Of one model. Servers name the parameter that they refuse, each in words of its own."""

    def __init__(self) -> None:
        self._renames = False
        self._left_out: set[str] = set()

    def request(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The request for a stream, in the form that the model's server is known to take."""
        wanted = {**body, "stream": True, **_COUNTED}
        if self._renames and "max_tokens" in wanted:
            wanted[_NEW_NAME] = wanted.pop("max_tokens")
        return {name: value for name, value in wanted.items() if name not in self._left_out}

    def learns(self, refusal: str, sent: Mapping[str, Any]) -> bool:
        """Whether something that was `sent` need not be, or not so, after this refusal of it."""
        if "max_tokens" in sent and _NEW_NAME in refusal:
            self._renames = True
            return True
        for name in ("temperature", _NEW_NAME, "max_tokens", "stream_options"):
            if name in sent and name in refusal:
                self._left_out.add(name)
                return True
        return False
