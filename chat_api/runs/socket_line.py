"""What is sent over one WebSocket: no more than the client takes."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from starlette.websockets import WebSocket

from chat_api.runs.events import Event
from chat_api.runs.socket_limits import Limits
from chat_api.runs.wire.protocol import dumps, encode
from chat_api.runs.wire.websocket import WEBSOCKET

__all__ = ["Line", "TooSlow"]


class TooSlow(Exception):
    """The client has taken nothing for as long as it may."""


class Line:
    """Sending waits for the client. From its first `ack` on, it also waits for those."""

    def __init__(self, socket: WebSocket, limits: Limits) -> None:
        self._socket: Final = socket
        self._limits: Final = limits
        self._lock: Final = asyncio.Lock()
        self._last = asyncio.get_running_loop().time()
        self._unacked: dict[UUID, deque[int]] | None = None
        self._outstanding = 0
        self._acked: Final = asyncio.Event()

    async def say(self, **frame: Any) -> None:
        await self._put(dumps(frame))

    async def tell(self, events: Sequence[Event]) -> None:
        """Raises TooSlow."""
        for event in events:
            if self._unacked is not None:
                await self._until_acked()
                self._unacked[event.run_id].append(event.seq)
                self._outstanding += 1
            await self._put(encode(WEBSOCKET, (event,)).decode())

    async def _put(self, text: str) -> None:
        async with self._lock:
            try:
                async with asyncio.timeout(self._limits.patience):
                    await self._socket.send_text(text)
            except TimeoutError as error:
                raise TooSlow from error
            self._last = asyncio.get_running_loop().time()

    async def _until_acked(self) -> None:
        while self._outstanding >= self._limits.outstanding:
            self._acked.clear()
            try:
                async with asyncio.timeout(self._limits.patience):
                    await self._acked.wait()
            except TimeoutError as error:
                raise TooSlow from error

    def ack(self, run_id: UUID, seq: int) -> None:
        """The client has the run's events up to number `seq`."""
        if self._unacked is None:
            self._unacked = defaultdict(deque)
        waiting = self._unacked.get(run_id, ())
        while waiting and waiting[0] <= seq:
            waiting.popleft()
            self._outstanding -= 1
        self._acked.set()

    def forget(self, run_id: UUID) -> None:
        """Wait for no more acks of this run, which is over or no longer followed."""
        if self._unacked is not None:
            self._outstanding -= len(self._unacked.pop(run_id, ()))
            self._acked.set()

    async def beat_forever(self) -> None:
        """Say something whenever nothing was said for a while."""
        while True:
            silent = asyncio.get_running_loop().time() - self._last
            if silent >= self._limits.silence:
                await self._put(WEBSOCKET.heartbeat().decode())
            else:
                await asyncio.sleep(self._limits.silence - silent)
