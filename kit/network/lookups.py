"""Looking up names for many people: those that hang cost the person who asks for them, and nobody else."""

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID
from weakref import WeakValueDictionary

from kit.network.reach import Resolve

__all__ = ["Lookups"]

_AT_ONCE: Final = 4


class Lookups:
    """`resolve`, a few times at once for each person."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve: Final = resolve
        self._turns: Final = WeakValueDictionary[UUID, asyncio.Semaphore]()

    def of(self, owner: UUID) -> Resolve:
        turns = self._turns.get(owner)
        if turns is None:
            turns = self._turns[owner] = asyncio.Semaphore(_AT_ONCE)

        async def look_up(host: str, port: int) -> Sequence[str]:
            await turns.acquire()
            asking = asyncio.ensure_future(self._resolve(host, port))

            def ended(asked: "asyncio.Future[Sequence[str]]") -> None:
                turns.release()
                if not asked.cancelled():
                    # Whoever asked may have left.
                    asked.exception()

            asking.add_done_callback(ended)
            # Its thread is busy until it ends, whether or not somebody waits.
            return await asyncio.shield(asking)

        return look_up
