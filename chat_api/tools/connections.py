"""Two ways to an MCP server: in this process, or over HTTP.

One client serves everybody. Who is asking goes by the context of the call, which the MCP SDK carries along
from the caller to the request that is sent (`mcp.shared._context_streams`).
"""

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.mcpserver import MCPServer
from typing_extensions import override

from chat_api.tools.line import Line

__all__ = ["Asking", "Authenticate", "Connection", "connect_http", "connect_in_process"]

Authenticate: TypeAlias = Callable[[str], Awaitable[AccessToken | None]]
"""The server's own check of a token."""

_CALL_TIMEOUT: Final = 60.0
_CONNECT_TIMEOUT: Final = 5.0
_OPEN_TIMEOUT: Final = 30.0
_MODERN: Final = "2026-07-28"
# Not those where it may still be at work: a call that lasts too long does so again.
_BREAKS: Final = (httpx2.NetworkError, httpx2.ConnectTimeout, httpx2.RemoteProtocolError)
# What a proxy says of a server that is not there.
_ABSENT: Final = frozenset(
    {httpx2.codes.BAD_GATEWAY, httpx2.codes.SERVICE_UNAVAILABLE, httpx2.codes.GATEWAY_TIMEOUT}
)


@dataclass(slots=True)
class Asking:
    """A request in the name of the token's user. `away`: the server was not there, or left under it."""

    token: str
    away: bool = False


_asking: Final[ContextVar[Asking]] = ContextVar("asking")


@dataclass(frozen=True, slots=True)
class Connection:
    """`acting_as(asking)` makes the calls of the line's client within it those of the token's user."""

    line: Line
    acting_as: Callable[[Asking], AbstractAsyncContextManager[None]]


class _BearerOfTheCall(httpx2.Auth):
    """Sends the token of the call at hand, and nothing at all where there is none."""

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response]:
        asking = _asking.get(None)
        if asking is not None:
            request.headers["Authorization"] = f"Bearer {asking.token}"
        yield request


class _Steady(httpx2.AsyncHTTPTransport):
    """Tells a broken connection as an answer of the server's.

    The MCP SDK hands an answer, whatever it is, to the call that waits for it, but ends the client, and with
    it whatever runs in the same task, at an exception. What the SDK makes of an answer does not tell whether
    the server was there; the `Asking` does.
    """

    @override
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            response = await super().handle_async_request(request)
        except httpx2.TransportError as error:
            _note(away=isinstance(error, _BREAKS))
            return httpx2.Response(httpx2.codes.BAD_GATEWAY)
        _note(away=response.status_code in _ABSENT)
        # None was asked for: what cannot be decoded would be an exception, too.
        response.headers.pop("content-encoding", None)
        response.stream = _UpToTheBreak(cast("httpx2.AsyncByteStream", response.stream))
        return response


class _UpToTheBreak(httpx2.AsyncByteStream):
    """What arrives of a body; half a body is no JSON, which is an answer as well."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._stream:
                yield chunk
        except httpx2.TransportError as error:
            _note(away=isinstance(error, _BREAKS))

    @override
    async def aclose(self) -> None:
        await self._stream.aclose()


def _note(*, away: bool) -> None:
    asking = _asking.get(None)
    if asking is not None:
        asking.away = away


@asynccontextmanager
async def connect_in_process(
    server: MCPServer[Any], authenticate: Authenticate
) -> AsyncGenerator[Connection]:
    """Connect to `server` in memory; `acting_as` does with its token what the server's HTTP door does."""

    @asynccontextmanager
    async def acting_as(asking: Asking) -> AsyncGenerator[None]:
        access = await authenticate(asking.token)
        if access is None:
            raise PermissionError("the tool server does not accept our own token")
        before = auth_context_var.set(AuthenticatedUser(access))
        try:
            yield
        finally:
            auth_context_var.reset(before)

    def open_client() -> Client:
        return Client(server, cache=None, read_timeout_seconds=_CALL_TIMEOUT)

    async with _kept(Line("own", open_client, patience=_OPEN_TIMEOUT)) as line:
        yield Connection(line, acting_as)


@asynccontextmanager
async def connect_http(url: str) -> AsyncGenerator[Connection]:
    """Connect to the server at `url`; nothing is sent before the first call."""

    @asynccontextmanager
    async def acting_as(asking: Asking) -> AsyncGenerator[None]:
        before = _asking.set(asking)
        try:
            yield
        finally:
            _asking.reset(before)

    @asynccontextmanager
    async def open_client() -> AsyncGenerator[Client]:
        http = httpx2.AsyncClient(
            auth=_BearerOfTheCall(),
            transport=_Steady(verify=ssl.create_default_context()),
            timeout=httpx2.Timeout(_CALL_TIMEOUT, connect=_CONNECT_TIMEOUT),
            headers={"Accept-Encoding": "identity"},
            trust_env=False,
        )
        streams = streamable_http_client(url, http_client=http, terminate_on_close=False)
        client = Client(streams, mode=_MODERN, cache=None, read_timeout_seconds=_CALL_TIMEOUT)
        async with http, client:
            yield client

    async with _kept(Line("own", open_client, patience=_OPEN_TIMEOUT)) as line:
        yield Connection(line, acting_as)


@asynccontextmanager
async def _kept(line: Line) -> AsyncGenerator[Line]:
    """The line, open from now on until the end of the context."""
    await line.client()
    try:
        yield line
    finally:
        await line.close()
