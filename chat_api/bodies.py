"""What a request's body is written in, and who may send how much of it."""

from contextlib import suppress
from typing import Final, cast

from fastapi import Request
from fastapi.security.utils import get_authorization_scheme_param
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from chat_api.auth.errors import NotSignedIn
from chat_api.auth.limits import address_of, limits_of
from chat_api.errors import answer_to
from kit.access import Door
from kit.errors import Problem
from kit.postgres.errors import AWAY

__all__ = ["LOGIN_PATHS", "SMALL", "LargeBodies", "NotUtf8", "utf8_body"]

LOGIN_PATHS: Final = "/api/v1/auth/"
SMALL: Final = 16 * 1024
"""Bytes that anybody may send."""

_WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class NotUtf8(Problem):
    status = 400
    code = "invalid_json"

    def __init__(self) -> None:
        super().__init__("The body is not JSON in UTF-8.")


async def utf8_body(request: Request) -> None:
    """Refuse JSON in another encoding (RFC 8259, section 8.1), which Python's parser would guess."""
    if request.method in _WITHOUT_BODY:
        return
    body = await request.body()
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise NotUtf8 from error
    if b"\x00" in body:
        raise NotUtf8


class LargeBodies:
    """Lets large bodies through of who is signed in, and not too often.

    A body is parsed before a route asks who sent it, which keeps this process from all else for a while. How
    large it is must be said, or is taken for large.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] != "/mcp" and _is_large(scope):
            try:
                await _admit(Request(scope))
            except Problem as problem:
                await _drain(receive)
                await answer_to(scope, problem)(scope, receive, send)
                return
            except AWAY:
                # The route says so.
                pass
        await self.app(scope, receive, send)


def _is_large(scope: Scope) -> bool:
    # Those of logins have a limit of their own.
    if scope["path"].startswith(LOGIN_PATHS):
        return False
    headers = Headers(scope=scope)
    declared = headers.get("content-length", "")
    return int(declared) > SMALL if declared.isdecimal() else "transfer-encoding" in headers


async def _admit(request: Request) -> None:
    """Raises NotSignedIn, InvalidToken, TooManyRequests."""
    scheme, token = get_authorization_scheme_param(request.headers.get("Authorization"))
    limits = limits_of(request)
    try:
        if scheme.lower() != "bearer" or not token:
            raise NotSignedIn("Send a bearer token.")
        identity = await cast("Door", request.state.door).identify(token)
    except Problem:
        if limits is not None:
            await limits.hit("create", None, address_of(request))
        raise
    if limits is not None:
        await limits.limiter.hit("large", limits.of("create", identity), identity.owner.hex)


async def _drain(receive: Receive) -> None:
    """Take what is still sent, for a client may not listen before it has sent all."""
    with suppress(HTTPException):
        while (await receive()).get("more_body", False):
            pass
