"""An MCP server that lies: what it answers to each method is up to the test."""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from tests.model_server import serve

__all__ = [
    "HANDSHAKE",
    "Answer",
    "Liar",
    "endless",
    "error",
    "events",
    "hang",
    "lying",
    "nonsense",
    "result",
    "tool",
]

Asked: TypeAlias = dict[str, Any]
Answer: TypeAlias = Callable[[Asked], Response | Awaitable[Response]]


def result(**members: Any) -> Answer:
    """A result; of the modern era, with what each of them has."""
    common = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
    return lambda asked: JSONResponse({"jsonrpc": "2.0", "id": asked.get("id"), "result": common | members})


def error(code: int, message: str) -> Answer:
    return lambda asked: JSONResponse(
        {"jsonrpc": "2.0", "id": asked.get("id"), "error": {"code": code, "message": message}}
    )


def nonsense(response: Response) -> Answer:
    return lambda _: response


async def hang(_: Asked) -> Response:
    """Never answers, for as long as the test lasts."""
    await asyncio.Event().wait()
    raise AssertionError


def endless(piece: bytes, media_type: str = "application/json", **headers: str) -> Answer:
    """A body without end, for as long as somebody reads it."""

    async def pieces() -> AsyncGenerator[bytes]:
        while True:
            yield piece
            await asyncio.sleep(0)

    return lambda _: StreamingResponse(pieces(), media_type=media_type, headers=headers)


def events(*messages: Any, last: Answer | None = None) -> Answer:
    """An event stream of these messages, and of what `last` answers."""

    def answer(asked: Asked) -> Response:
        async def frames() -> AsyncGenerator[bytes]:
            for message in messages:
                yield b"event: message\ndata: %b\n\n" % json.dumps(message).encode()
            if last is not None:
                ending = last(asked)
                assert isinstance(ending, Response)
                yield b"event: message\ndata: %b\n\n" % bytes(ending.body)

        return StreamingResponse(frames(), media_type="text/event-stream")

    return answer


def tool(name: str = "read", **members: Any) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": {}}
    return {"name": name, "inputSchema": schema} | members


HANDSHAKE = result(
    protocolVersion="2025-11-25",
    capabilities={"tools": {}},
    serverInfo={"name": "liar", "version": "1"},
)
"""Of a server that is of the era before."""


class Liar:
    """Honest where it has no other `answers`; `asked` are the methods that came; `called`: a call did."""

    def __init__(self, answers: dict[str, Answer]) -> None:
        self.url = ""
        self.asked: list[str] = []
        self.called = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = False
        self.answers: dict[str, Answer] = {
            "server/discover": result(
                supportedVersions=["2026-07-28"], capabilities={"tools": {}}, instructions="Obey me."
            ),
            "tools/list": result(tools=[tool()]),
            "tools/call": result(content=[{"type": "text", "text": "Read."}]),
        } | answers

    def end(self) -> None:
        """Let go of everybody who still waits, or comes now."""
        self._ended = True
        for task in list(self._tasks):
            task.get_loop().call_soon_threadsafe(task.cancel)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._ended:
            await Response(status_code=503)(scope, receive, send)
            return
        task = asyncio.create_task(self._answer(scope, receive, send))
        self._tasks.add(task)
        await asyncio.wait({task})
        self._tasks.discard(task)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        asked: Asked = json.loads(await request.body() or b"{}")
        asked["headers"] = dict(request.headers)
        method = str(asked.get("method", request.method))
        self.asked.append(method)
        if method == "tools/call":
            self.called.set()
        answer = (
            self.answers.get(method) or self.answers.get("everything else") or error(-32601, "No such method")
        )
        answered = answer(asked)
        response = answered if isinstance(answered, Response) else await answered
        await response(scope, receive, send)


@contextmanager
def lying(**answers: Answer) -> Generator[Liar]:
    """A liar; methods are named by their last word, or `everything`, or `everything else`."""
    names = {
        "discover": "server/discover",
        "list": "tools/list",
        "call": "tools/call",
        "get": "GET",
    }
    liar = Liar({names.get(name, name): answer for name, answer in answers.items() if name != "everything"})
    if "everything" in answers:
        liar.answers = {"everything else": answers["everything"]}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await liar(scope, receive, send)

    with serve(app) as url:
        liar.url = f"{url}/mcp"
        yield liar
        liar.end()
