"""Servers of models that tests take up, down, and make lie; and people's configurations of them."""

import asyncio
import gzip
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from tests.model_server import Chat, Hold, Reply, say, serve
from tests.servers import Person

__all__ = ["LIES", "Place", "Show", "ask", "configure", "listing", "placed"]

Show: TypeAlias = Callable[[Request], Response | Awaitable[Response]]


def listing(*names: str) -> Response:
    """A list of models in the form of the OpenAI API."""
    return JSONResponse({"object": "list", "data": [{"id": name} for name in names]})


async def _endless() -> AsyncGenerator[bytes]:
    while True:
        yield b"[" * 65_536
        await asyncio.sleep(0)


class Place:
    """A server of models. `shows` answers by path, `script` the chats, `everything` all in their place.

    `asked` are the paths that came, `chats` the bodies, `keys` the headers by which clients signed in.
    """

    def __init__(self, name: str = "place") -> None:
        self.url = ""
        self.name = name
        self.asked: list[str] = []
        self._over = Hold()
        self.chats: list[Chat] = []
        self.keys: set[str | None] = set()
        self.everything: Show | None = None
        self.script: Callable[[Chat], Reply] = lambda _: say(f"I am {name}.")
        self.shows: dict[str, Show] = {"/v1/models": lambda _: listing(f"{name}-model")}

    async def hang(self, _: Any) -> Response:
        """No answer, for as long as the server is there."""
        await self._over()
        return Response(status_code=503)

    def end(self) -> None:
        self._over.open()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope, receive)
            self.asked.append(request.url.path)
            self.keys.add(request.headers.get("authorization"))
            shown = (self.everything or self._show)(request)
            response = shown if isinstance(shown, Response) else await shown
            await response(scope, receive, send)

    async def _show(self, request: Request) -> Response:
        if request.url.path == "/v1/chat/completions":
            chat: Chat = await request.json()
            self.chats.append(chat)
            reply = self.script(chat)
            return reply if isinstance(reply, Response) else await reply
        show = self.shows.get(request.url.path, lambda _: Response("no such path", 404))
        shown = show(request)
        return shown if isinstance(shown, Response) else await shown


LIES: dict[str, Show] = {
    "It does not accept the API key.": lambda _: Response("no", 401),
    "It answers with a web page, not as a model server does.": lambda _: HTMLResponse("<!doctype html><p>Hi"),
    "Its list of models makes no sense.": lambda _: JSONResponse({"data": {"id": "a"}, "models": "many"}),
    "Its list of models makes no sense. (packed)": lambda _: Response(
        gzip.compress(b" " * 4_000_000), headers={"Content-Encoding": "gzip"}
    ),
    "It answers with more than is taken from it.": lambda _: StreamingResponse(_endless()),
    "It sends us on to another address; name that one.": lambda _: RedirectResponse("http://127.0.0.1:1/"),
    "It answers with status 500.": lambda _: Response("trouble", 500),
}
"""By what is said of it: what a server of models may answer that is none."""


@contextmanager
def placed(place: Place, port: int = 0) -> Generator[Place]:
    with serve(place, port) as url:
        place.url = url
        yield place
        place.end()


def configure(person: Person, name: str, url: str, **settings: Any) -> str:
    """Configure a provider as `person`; return its id."""
    body = {"name": name, "base_url": url} | settings
    response = person.http.post("/api/v1/providers", json=body)
    assert response.status_code == 201, response.text
    return response.json()["id"]


def ask(person: Person, **body: Any) -> Any:
    """Take a turn that is to succeed, of the provider `first` unless it names another; return its `data`."""
    whole = {"message": "Hello", "provider": "first"} | body
    response = person.http.post(f"/api/{person.name}/chat", json=whole)
    assert response.status_code == 200, response.text
    return response.json()["data"]
