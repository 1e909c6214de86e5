"""A model server that says what the test tells it to, over HTTP, in the OpenAI protocol."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeAlias
from uuid import uuid4

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

__all__ = ["Chat", "ModelServer", "call", "say", "serve"]

Chat: TypeAlias = dict[str, Any]
"""The body of a request for a chat completion."""

Reply: TypeAlias = Response | Awaitable[Response]


def say(text: str) -> Response:
    """An answer in words."""
    return _completion({"role": "assistant", "content": text}, "stop")


def call(name: str, _arguments: str | None = None, **arguments: Any) -> Response:
    """An answer that calls a tool; `_arguments` is sent as it is where the test wants it malformed."""
    text = json.dumps(arguments) if _arguments is None else _arguments
    function = {"name": name, "arguments": text}
    tool_call = {"id": f"call_{uuid4().hex}", "type": "function", "function": function}
    return _completion({"role": "assistant", "content": None, "tool_calls": [tool_call]}, "tool_calls")


def _completion(message: dict[str, Any], reason: str) -> Response:
    choice = {"index": 0, "message": message, "finish_reason": reason}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return JSONResponse(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 0,
            "model": "scripted",
            "choices": [choice],
            "usage": usage,
        }
    )


class ModelServer:
    """`script` answers each request; `requests` keeps them all."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Chat] = []
        self.script: Callable[[Chat], Reply] = lambda _: say("Hello.")

    def answers(self, *replies: Response | Callable[[Chat], Reply]) -> None:
        """Answer the next requests with `replies`, in turn."""
        queue = list(replies)

        def script(chat: Chat) -> Reply:
            reply = queue.pop(0)
            return reply if isinstance(reply, Response) else reply(chat)

        self.script = script

    async def chat(self, request: Request) -> Response:
        body: Chat = await request.json()
        self.requests.append(body)
        reply = self.script(body)
        return reply if isinstance(reply, Response) else await reply

    async def models(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": "scripted", "object": "model"}]})


@contextmanager
def serve(app: Any, port: int = 0) -> Generator[str]:
    """Serve an ASGI app on loopback, in a thread; yield its address."""
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", lifespan="auto")
    server = uvicorn.Server(config)
    started = threading.Event()

    async def run() -> None:
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        started.set()
        if not server.should_exit:
            await server.main_loop()
        await server.shutdown()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    try:
        assert started.wait(30), "the server did not start"
        assert server.started, "the server failed at its start"
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
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
