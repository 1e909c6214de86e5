"""An MCP client that a task of its own keeps open.

The MCP SDK ends a client, and with it whatever runs in the same task, at what it does not expect. So no
client is opened in a task that does anything else; one that has ended is opened anew when it is needed.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from contextvars import Context
from functools import partial
from typing import Final, TypeAlias, cast

import structlog
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED

__all__ = ["Line", "LineBroken", "Open", "has_ended"]

Open: TypeAlias = Callable[[], AbstractAsyncContextManager[Client]]

_FAREWELL: Final = 1.0
# What the SDK says once the client itself has ended. For an answer that broke off it has other words.
_CLOSED: Final = "Connection closed"
_log = structlog.get_logger(__name__)


class LineBroken(Exception):
    """No client could be opened. `reason` is the kind of error that it was."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def has_ended(error: MCPError) -> bool:
    """Whether it is the client that has ended, with all its calls, and not only the call at hand."""
    return error.code == CONNECTION_CLOSED and error.message == _CLOSED


class Line:
    """One client, opened by `open_` within `patience` seconds, and closed when unused for `idle` seconds.

    `name` is what the log calls it; `is_busy` tells whether something is being asked over it.
    """

    def __init__(
        self,
        name: str,
        open_: Open,
        *,
        patience: float,
        idle: float | None = None,
        is_busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._name: Final = name
        self._open: Final = open_
        self._patience: Final = patience
        self._idle: Final = idle
        self._is_busy: Final = is_busy
        self._used = 0.0
        self._task: asyncio.Task[None] | None = None
        self._client: asyncio.Future[Client] | None = None

    @property
    def is_open(self) -> bool:
        return self._client is not None

    async def client(self) -> Client:
        """The client, once it is open. Raises LineBroken."""
        self._used = time.monotonic()
        if self._client is None:
            self._client = asyncio.get_running_loop().create_future()
            # In a context of its own: what is at hand here is that of one caller.
            self._task = asyncio.create_task(self._hold(self._client), context=Context())
            self._task.add_done_callback(partial(self._ended, self._client))
        # One that waits and leaves must not take it away from the others.
        return self._client.result() if self._client.done() else await asyncio.shield(self._client)

    def drop(self, client: Client | None = None) -> None:
        """Let go of the client, or only of this one; the next call opens another."""
        opened = self._client
        if opened is None or (client is not None and not (opened.done() and opened.result() is client)):
            return
        self._client = None
        if self._task is not None:
            self._task.cancel()

    async def close(self) -> None:
        """End the client; what does not end within a second is left to its fate."""
        task, self._client = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task}, timeout=_FAREWELL)
            task.cancel()

    async def _hold(self, opened: "asyncio.Future[Client]") -> None:
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(self._patience):
                client = await stack.enter_async_context(self._open())
            opened.set_result(client)
            left = self._left()
            while left > 0:
                await asyncio.sleep(left)
                left = self._left()
            self._forget(opened)

    def _left(self) -> float:
        """Seconds until the client has not been used for too long."""
        if self._idle is None:
            return 3600.0
        return self._idle if self._is_busy() else self._used + self._idle - time.monotonic()

    def _forget(self, opened: "asyncio.Future[Client]") -> None:
        if self._client is opened:
            self._client = None

    def _ended(self, opened: "asyncio.Future[Client]", task: "asyncio.Task[None]") -> None:
        self._forget(opened)
        error = None if task.cancelled() else task.exception()
        reason = _reason(error) if error else "closed"
        if not opened.done():
            opened.set_exception(LineBroken(reason))
            # Whoever waits is told; nobody need wait.
            opened.exception()
        if error is not None:
            _log.warning("mcp_client_ended", server=self._name, reason=reason)


def _reason(error: BaseException) -> str:
    """The kind of the first error in it."""
    if isinstance(error, BaseExceptionGroup):
        inner = cast("BaseExceptionGroup[BaseException]", error)
        return _reason(inner.exceptions[0])
    return type(error).__name__
