"""How many programs run in this process at the same time."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final
from uuid import UUID
from weakref import WeakValueDictionary

import anyio

from mcp_server.sandbox.trouble import ProgramFailed

__all__ = ["THREADS", "slot"]

# Each holds a thread here, and a process of 10 to some 50 MB.
_AT_ONCE: Final = 8
_AT_ONCE_OF_ONE_PERSON: Final = 4
_PATIENCE: Final = 10.0

# Threads of their own: programs that wait for tools must not hold those that the tools need.
THREADS: Final = anyio.CapacityLimiter(_AT_ONCE)
_FREE: Final = anyio.Semaphore(_AT_ONCE)
_FREE_OF: Final[WeakValueDictionary[UUID, anyio.Semaphore]] = WeakValueDictionary()


@asynccontextmanager
async def slot(person: UUID) -> AsyncGenerator[None]:
    """Wait for a free one. Raises ProgramFailed after a while."""
    own = _FREE_OF.setdefault(person, anyio.Semaphore(_AT_ONCE_OF_ONE_PERSON))
    async with AsyncExitStack() as held:
        with anyio.move_on_after(_PATIENCE) as waiting:
            await held.enter_async_context(own)
            await held.enter_async_context(_FREE)
        if waiting.cancelled_caught:
            raise ProgramFailed("Too many programs are running; send it again in a few seconds.")
        yield
