"""Long transactions: two at once, so that connections are left for everybody else."""

import asyncio
from typing import Final
from weakref import WeakKeyDictionary

from kit.postgres import Db

__all__ = ["room_in"]

_MOST: Final = 2
# By database, whose connections are of one event loop, as a semaphore is.
_ROOMS: Final[WeakKeyDictionary[Db, asyncio.Semaphore]] = WeakKeyDictionary()


def room_in(db: Db) -> asyncio.Semaphore:
    """What to hold around a long transaction; who waits for it has no connection yet."""
    return _ROOMS.setdefault(db, asyncio.Semaphore(_MOST))
