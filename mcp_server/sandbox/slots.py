"""How many programs run in this process at the same time."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import anyio

from mcp_server.sandbox.trouble import ProgramFailed

__all__ = ["THREADS", "slot"]

# Each holds a thread here, and a process of 10 to some 50 MB.
_AT_ONCE: Final = 8
_PATIENCE: Final = 10.0

# Threads of their own: programs that wait for tools must not hold those that the tools need.
THREADS: Final = anyio.CapacityLimiter(_AT_ONCE)
_FREE: Final = anyio.Semaphore(_AT_ONCE)


@asynccontextmanager
async def slot() -> AsyncGenerator[None]:
    """Wait for a free one. Raises ProgramFailed after a while."""
    with anyio.move_on_after(_PATIENCE) as waiting:
        await _FREE.acquire()
    if waiting.cancelled_caught:
        raise ProgramFailed("Too many programs are running; send it again in a few seconds.")
    try:
        yield
    finally:
        _FREE.release()
