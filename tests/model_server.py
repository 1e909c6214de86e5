"""A model server that says what the test tells it to, over HTTP, in the OpenAI protocol."""

import asyncio
import inspect
import json
import os
import socket
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias, cast
from uuid import uuid4

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from typing_extensions import override

__all__ = ["Chat", "Hold", "ModelServer", "call", "chunk", "say", "serve", "sse", "stream", "stream_call"]

Chat: TypeAlias = dict[str, Any]
"""The body of a request for a chat completion."""

Reply: TypeAlias = Response | Awaitable[Response]
Wait: TypeAlias = Awaitable[object] | Callable[[], object]
Then: TypeAlias = Literal["done", "end", "break", "error"]

_USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
_PATIENCE = 30.0


def say(text: str) -> Response:
    """An answer in words; a stream of one piece where SCRIPTED_STREAMS is set."""
    if os.environ.get("SCRIPTED_STREAMS"):
        return stream(text)
    return _completion({"role": "assistant", "content": text}, "stop")


def call(name: str, _arguments: str | None = None, **arguments: Any) -> Response:
    """An answer that calls a tool; `_arguments` is sent as it is where the test wants it malformed."""
    if os.environ.get("SCRIPTED_STREAMS"):
        return stream_call(name, _arguments, **arguments)
    text = json.dumps(arguments) if _arguments is None else _arguments
    function = {"name": name, "arguments": text}
    tool_call = {"id": f"call_{uuid4().hex}", "type": "function", "function": function}
    return _completion({"role": "assistant", "content": None, "tool_calls": [tool_call]}, "tool_calls")


def calls(*wanted: tuple[str, dict[str, Any]]) -> Response:
    """An answer that calls several tools at once, each by name and arguments."""
    made = [
        {
            "id": f"call_{uuid4().hex}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        }
        for name, arguments in wanted
    ]
    return _completion({"role": "assistant", "content": None, "tool_calls": made}, "tool_calls")


def stream(
    *pieces: str | Wait, pause: float = 0, usage: bool = True, finish: str = "stop", then: Then = "done"
) -> Response:
    """An answer in words, a chunk a piece; what is no text is called or awaited in its place.

    `then` is how it ends: as it ought to, in order but half way, with the connection broken, or with an error
    in a chunk.
    """
    deltas = [{"content": piece} if isinstance(piece, str) else piece for piece in pieces]
    return _stream(deltas, pause, finish, then, usage=usage)


def stream_call(
    name: str, _arguments: str | None = None, _pieces: int = 4, _then: Then = "done", **arguments: Any
) -> Response:
    """An answer that calls a tool, with the arguments in `_pieces` fragments or less."""
    text = json.dumps(arguments) if _arguments is None else _arguments
    size = -(-len(text) // _pieces) or 1
    fragments = [text[start : start + size] for start in range(0, len(text), size)]
    opening = {
        "index": 0,
        "id": f"call_{uuid4().hex}",
        "type": "function",
        "function": {"name": name, "arguments": ""},
    }
    calls = [opening, *({"index": 0, "function": {"arguments": fragment}} for fragment in fragments)]
    return _stream([{"tool_calls": [each]} for each in calls], 0, "tool_calls", _then, usage=True)


def _stream(
    deltas: list[dict[str, Any] | Wait], pause: float, finish: str, then: Then, *, usage: bool
) -> Response:
    frames: list[bytes | Wait] = [chunk({"role": "assistant", "content": ""})]
    for delta in deltas:
        if pause and len(frames) > 1:
            frames.append(lambda: asyncio.sleep(pause))
        frames.append(chunk(cast("dict[str, Any]", delta)) if isinstance(delta, dict) else delta)
    if then == "done":
        frames.append(chunk({}, finish))
        if usage:
            frames.append(chunk(None, usage=_USAGE))
        frames.append(b"data: [DONE]\n\n")
    elif then == "error":
        frames.append(b'data: {"error": {"message": "words of the provider\'s own", "code": 500}}\n\n')
    return sse(*frames, breaks=then == "break")


def chunk(delta: dict[str, Any] | None, finish: str | None = None, **more: Any) -> bytes:
    """An event of a stream, in pure ASCII."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": "scripted"}
    return b"data: %b\n\n" % json.dumps({**body, "choices": choices, **more}).encode()


def sse(*frames: bytes | Wait, breaks: bool = False) -> Response:
    """The bytes as they are, each frame a network chunk; `breaks`: so does the connection, at the end."""
    return _Frames(frames, breaks=breaks)


class _Frames(Response):
    """May be sent more than once, where no frame is an awaitable."""

    media_type = "text/event-stream"

    def __init__(self, frames: tuple[bytes | Wait, ...], *, breaks: bool) -> None:
        super().__init__()
        del self.headers["Content-Length"]
        self._frames = frames
        self._breaks = breaks

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async for frame in self._sent():
            await send({"type": "http.response.body", "body": frame, "more_body": True})
        # The server breaks a connection whose response is left unfinished.
        if not self._breaks:
            await send({"type": "http.response.body", "body": b""})

    async def _sent(self) -> AsyncGenerator[bytes]:
        for frame in self._frames:
            if isinstance(frame, bytes):
                yield frame
                continue
            waited = frame() if callable(frame) else frame
            if inspect.isawaitable(waited):
                await waited


class Hold:
    """A piece that holds a stream until it is opened; `reached` tells that the stream has come to it."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._opened: Future[None] = Future()

    async def __call__(self) -> None:
        self.reached.set()
        await asyncio.shield(asyncio.wrap_future(self._opened))

    def wait(self) -> None:
        assert self.reached.wait(_PATIENCE), "the stream did not come that far"

    def open(self) -> None:
        self._opened.set_result(None)


def _completion(message: dict[str, Any], reason: str) -> Response:
    choice = {"index": 0, "message": message, "finish_reason": reason}
    body = {"id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": "scripted"}
    return JSONResponse({**body, "choices": [choice], "usage": _USAGE})


class ModelServer:
    """`script` answers each request; `requests` keeps them all.

    `disconnected` is set when a client goes away before its answer has ended, which then is not sent on;
    `answers` clears it.
    """

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Chat] = []
        self.disconnected = threading.Event()
        self.script: Callable[[Chat], Reply] = lambda _: say("Hello.")

    def answers(self, *replies: Response | Callable[[Chat], Reply]) -> None:
        """Answer the next requests with `replies`, in turn."""
        queue = list(replies)

        def script(chat: Chat) -> Reply:
            reply = queue.pop(0)
            return reply if isinstance(reply, Response) else reply(chat)

        self.disconnected.clear()
        self.script = script

    async def chat(self, request: Request) -> Response:
        body: Chat = await request.json()
        self.requests.append(body)
        return _Watched(self.script(body), self.disconnected)

    async def models(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": "scripted", "object": "model"}]})


class _Watched(Response):
    """Sends a reply for as long as its client is there."""

    def __init__(self, reply: Reply, disconnected: threading.Event) -> None:
        super().__init__()
        self._reply = reply
        self._disconnected = disconnected

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.create_task(self._send(scope, receive, send))
        leaving = asyncio.create_task(_left(receive))
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if sending.done():
            await sending
        else:
            self._disconnected.set()
            sending.cancel()

    async def _send(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = self._reply if isinstance(self._reply, Response) else await self._reply
        await reply(scope, receive, send)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@contextmanager
def serve(app: Any, port: int = 0) -> Generator[str]:
    """Serve an ASGI app on loopback, in a thread; yield its address."""
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", lifespan="auto")
    server = uvicorn.Server(config)
    started = threading.Event()
    stop: list[Callable[[], object]] = []

    async def run() -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        stop.append(lambda: loop.call_soon_threadsafe(stopped.set))
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        for listener in server.servers[0].sockets if server.started else ():
            # Of what a client does not take, little is out of our hands: some kernels hold 4 MB.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        started.set()
        if not server.should_exit:
            ticking = asyncio.create_task(server.main_loop())
            await stopped.wait()
            ticking.cancel()
        await server.shutdown()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    try:
        assert started.wait(30), "the server did not start"
        assert server.started, "the server failed at its start"
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        for each in stop:
            each()
        thread.join(30)


@contextmanager
def serve_model() -> Generator[ModelServer]:
    model = ModelServer()
    routes = [
        Route("/v1/chat/completions", model.chat, methods=["POST"]),
        Route("/v1/models", model.models),
    ]
    with serve(Starlette(routes=routes)) as url:
        model.url = f"{url}/v1"
        yield model
