"""How many connections one person may keep open at this process."""

from collections import Counter
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Final
from uuid import UUID

from kit.errors import Problem

__all__ = ["Seats", "TooManyConnections"]


class TooManyConnections(Problem):
    status = 429
    code = "too_many_connections"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"You have {most} of these open here; close one of them.", headers={"Retry-After": "5"}
        )


class Seats:
    """Each person has `most` at a time."""

    def __init__(self, most: int) -> None:
        self._most: Final = most
        self._taken: Final = Counter[UUID]()

    def offer(self, owner: UUID) -> AbstractContextManager[None]:
        """One that is taken while the context is open. Raises TooManyConnections where there is none."""
        if self._taken[owner] >= self._most:
            raise TooManyConnections(self._most)
        return self._take(owner)

    @contextmanager
    def _take(self, owner: UUID) -> Generator[None]:
        self._taken[owner] += 1
        try:
            yield
        finally:
            self._taken[owner] -= 1
            if not self._taken[owner]:
                del self._taken[owner]
