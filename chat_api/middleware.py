"""What happens to every request before a route sees it."""

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars

from chat_api.bodies import LOGIN_PATHS, SMALL, LargeBodies
from chat_api.conversations.transfer_routes import IMPORT_PATH
from chat_api.errors import answer_to, answer_to_bug
from chat_api.settings import Settings
from kit.access import Leashed
from kit.ids import new_id

__all__ = ["Answers", "BodyLimit", "middleware_for"]

_log = structlog.get_logger(__name__)
# Asked every few seconds by who watches the server.
_UNTOLD: Final = frozenset({"/api/v1/health/live", "/api/v1/health/ready"})
_SAFE: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
_SLOWEST_BODY: Final = 30.0
_SLOWEST_LINE: Final = 10_000.0
"""Bytes a second."""
_LARGEST_BODY: Final = 1024 * 1024
_SANE_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")


class Answers:
    """Gives each request an id, and its answer what all answers have; logs both with `log`.

    The id is the caller's `X-Request-ID` where it is sane, else a new one.
    """

    def __init__(self, app: ASGIApp, *, log: bool) -> None:
        self.app = app
        self.log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        request_id = scope["request_id"] = _id_of(scope)
        # What the request before it on the connection was about may still be there. Its own stays there: the
        # server tells of a bug at the end.
        clear_contextvars()
        bind_contextvars(request_id=request_id)
        if scope["type"] == "websocket":
            await self.app(scope, receive, send)
            return
        began, status, whole = time.monotonic(), 0, False

        async def answer(message: Message) -> None:
            nonlocal status, whole
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                # What a dependency has to say of the request; a route may answer with a response of its own.
                headers.update({"X-Request-ID": request_id, **_SAFE, **scope.get("answer_headers", {})})
            await send(message)
            whole = message["type"] == "http.response.body" and not message.get("more_body", False)

        try:
            await self.app(scope, receive, answer)
        finally:
            if self.log and scope["path"] not in _UNTOLD:
                took = round((time.monotonic() - began) * 1000, 1)
                cut = {} if whole else {"cut": True}
                # Without the query, which may have a token.
                path = quote(scope["path"], safe="/:@")
                _log.info("request", method=scope["method"], path=path, status=status, ms=took, **cut)


def _id_of(scope: Scope) -> str:
    """The caller's where it is sane; a WebSocket has always a new one."""
    given = Headers(scope=scope).get("x-request-id", "") if scope["type"] == "http" else ""
    return given if _SANE_ID.fullmatch(given) else str(new_id())


class BodyLimit:
    """Refuse bodies of more than `limit` bytes, whether they say their length or not, and those that stall.

    FastAPI's own limit answers without our envelope. The MCP endpoint has a limit of its own.
    """

    def __init__(self, app: ASGIApp, *, limit: int, larger: Mapping[str, int] | None = None) -> None:
        """`larger` are the limits of paths that may have more."""
        self.app = app
        self.limit = limit
        self.larger = larger or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == "/mcp":
            await self.app(scope, receive, send)
            return
        path: str = scope["path"]
        limit = SMALL if path.startswith(LOGIN_PATHS) else self.larger.get(path, self.limit)
        declared = Headers(scope=scope).get("content-length", "")
        received = int(declared) if declared.isdecimal() and int(declared) > limit else 0
        whole, deadline = False, time.monotonic() + _SLOWEST_BODY

        async def receive_within_limit() -> Message:
            nonlocal received, whole, deadline
            if received <= limit:
                # After the body, one waits for the client to leave, which may take as long as it likes.
                message = await receive() if whole else await _before(deadline, receive)
                whole = not message.get("more_body", False)
                received += len(message.get("body", b""))
                # A slow line is given the time that it takes, a trickle is not.
                deadline += len(message.get("body", b"")) / _SLOWEST_LINE
                if received <= limit:
                    return message
            raise HTTPException(413, headers={"Connection": "close"})

        await self.app(scope, receive_within_limit, send)


async def _before(deadline: float, receive: Receive) -> Message:
    try:
        async with asyncio.timeout(deadline - time.monotonic()):
            return await receive()
    except TimeoutError as error:
        raise HTTPException(408, headers={"Connection": "close"}) from error


def middleware_for(settings: Settings) -> list[Middleware]:
    """What every request goes through, from the outside in."""
    stack = [Middleware(Answers, log=settings.access_log)]
    if settings.origins:
        # Outside of all that may answer, so that a page can read that answer.
        cors = Middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=[
                "X-Request-ID",
                "X-Run-ID",
                "X-Conversation-ID",
                "ETag",
                "Retry-After",
                "RateLimit",
                "RateLimit-Policy",
                "WWW-Authenticate",
            ],
        )
        stack.append(cors)
    return [
        *stack,
        Middleware(ServerErrorMiddleware, handler=answer_to_bug),
        Middleware(Leashed, answer=answer_to),
        Middleware(BodyLimit, limit=_LARGEST_BODY, larger={IMPORT_PATH: settings.import_max_bytes}),
        Middleware(LargeBodies),
    ]
