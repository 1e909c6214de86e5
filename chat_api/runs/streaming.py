"""A run's log as a streamed answer: pure ASGI, for a token costs little but the sending."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing, suppress

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from chat_api.runs.events import Event
from chat_api.runs.wire import Wire
from chat_api.runs.wire.protocol import encode
from kit.errors import Problem

__all__ = ["RunStream"]

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_LARGEST_CHUNK = 16 * 1024
_SLOWEST_CHUNK = 30.0


class RunStream(Response):
    """Sends events until there are no more, the client leaves, or it takes nothing for half a minute.

    A client that is dropped goes on with the number of the last event that it got. One that may read no
    further is told why.
    """

    def __init__(
        self,
        events: AsyncGenerator[list[Event]],
        wire: Wire,
        headers: Mapping[str, str],
        seat: AbstractContextManager[None],
        *,
        gone: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        """`headers` name the run, and `seat` is taken while it is sent.

        `gone` is called where the client leaves before the end.
        """
        super().__init__(media_type=wire.media_type, headers={**_HEADERS, **headers})
        del self.headers["content-length"]
        self._events = events
        self._wire = wire
        self._seat = seat
        self._gone = gone
        self._whole = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._seat:
            await self._run(scope, receive, send)

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["last_words"] = self._parting
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait([sending, leaving], return_when=asyncio.FIRST_COMPLETED)
            if self._gone is not None and (not sending.done() or sending.exception()):
                await self._gone()
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.wait([sending, leaving])
        if not sending.cancelled():
            with suppress(TimeoutError):
                sending.result()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await _body(send, self._wire.opening)
        async with aclosing(self._events) as batches:
            async for events in batches:
                for chunk in _chunks(self._wire, events):
                    async with asyncio.timeout(_SLOWEST_CHUNK):
                        await _body(send, chunk)
                    # A part of a large frame has no newline at its end.
                    self._whole = chunk.endswith(b"\n") or not chunk
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _parting(self, problem: Problem) -> bytes:
        return self._wire.parting(self.headers["X-Run-ID"], problem) if self._whole else b""


def _chunks(wire: Wire, events: Sequence[Event]) -> Iterator[bytes]:
    """The frames of `events`, or a heartbeat where there are none.

    One chunk at a time, for a client that takes nothing holds no more than that; the frames are those of all
    readers.
    """
    small: list[bytes] = []
    size = 0
    for frame in (encode(wire, (event,)) for event in events):
        if small and size + len(frame) > _LARGEST_CHUNK:
            yield b"".join(small)
            small.clear()
            size = 0
        if len(frame) > _LARGEST_CHUNK:
            yield from (frame[at : at + _LARGEST_CHUNK] for at in range(0, len(frame), _LARGEST_CHUNK))
        else:
            small.append(frame)
            size += len(frame)
    yield b"".join(small) if events else wire.heartbeat()


async def _body(send: Send, body: bytes) -> None:
    if body:
        await send({"type": "http.response.body", "body": body, "more_body": True})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
