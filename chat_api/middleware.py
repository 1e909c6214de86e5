"""What happens to every request before a route sees it."""

import re
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from kit.ids import new_id

__all__ = ["BodyLimit", "RequestId"]

_SANE_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")


class RequestId:
    """Give each request an id: the caller's `X-Request-ID` where it is sane, else a new one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _SANE_ID.fullmatch(given) else str(new_id())
        scope["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                # What a dependency has to say of the request; a route may answer with a response of its own.
                headers.update(scope.get("answer_headers", {}))
            await send(message)

        with bound_contextvars(request_id=request_id):
            await self.app(scope, receive, send_with_id)


class BodyLimit:
    """Refuse bodies of more than `limit` bytes, whether they say their length or not.

    FastAPI's own limit answers without our envelope. The MCP endpoint has a limit of its own.
    """

    def __init__(self, app: ASGIApp, *, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == "/mcp":
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        received = int(declared) if declared.isdecimal() and int(declared) > self.limit else 0

        async def receive_within_limit() -> Message:
            nonlocal received
            if received <= self.limit:
                message = await receive()
                received += len(message.get("body", b""))
                if received <= self.limit:
                    return message
            raise HTTPException(413, headers={"Connection": "close"})

        await self.app(scope, receive_within_limit, send)
