"""What a process knows of a run's log, for all its readers at once."""

import asyncio
from bisect import bisect_right
from collections.abc import Sequence
from operator import attrgetter
from typing import Final
from uuid import UUID

from chat_api.runs.events import FINAL_TYPES, Event, cut

__all__ = ["Feed"]

_MOST_AT_ONCE: Final = 500
_BY_SEQ: Final = attrgetter("seq")


class Feed:
    """All events of a run. Readers keep a place in it, and nothing else.

    `attempt` is the one that this process drives, and which appends; where it is 0, what the database says
    is appended.
    """

    __slots__ = ("_changed", "attempt", "deleted", "events", "readers", "run_id")

    def __init__(self, run_id: UUID, attempt: int = 0) -> None:
        self.run_id: Final = run_id
        self.attempt = attempt
        self.deleted = False
        self.readers = 0
        self.events: list[Event] = []
        self._changed = asyncio.Event()

    @property
    def last(self) -> int:
        """The number of the newest event."""
        return self.events[-1].seq if self.events else 0

    @property
    def ended(self) -> bool:
        return bool(self.events) and self.events[-1].type in FINAL_TYPES

    def append(self, events: Sequence[Event]) -> None:
        """Add events, those that are there already excepted, and wake the readers."""
        last = self.last
        self.events += [event for event in events if event.seq > last]
        self.wake()

    def wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def after(self, seq: int) -> list[Event]:
        """The first of what a reader who has seen everything up to `seq` has not seen."""
        start = bisect_right(self.events, seq, key=_BY_SEQ)
        found = self.events[start : start + _MOST_AT_ONCE]
        if found and found[0].first <= seq:
            found[0] = cut(found[0], seq)
        return found

    async def changed(self, seconds: float) -> bool:
        """Wait until something is added; False where nothing was for `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True
