"""HTTP to another MCP server: only to where it may be, and no more of it than a call may cost."""

import math
import ssl
import time
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal, TypeAlias, cast

import anyio
import httpx2
from typing_extensions import override

from kit.network import IPAddress, NotThere, Resolve, is_public, open_transport, reach, resolver

__all__ = ["CURRENT", "Credential", "Exchange", "GuardedTransport", "Network", "Overrun", "Trouble"]

Trouble: TypeAlias = Literal[
    "unreachable",
    "timed_out",
    "not_mcp",
    "refused",
    "redirected",
    "too_much",
    "secret_lost",
]
"""What is wrong with a server, in one word; `unreachable` is all that is told of what is not public."""

# More than some people can have busy at once.
_look_up: Final = resolver(32)
_SESSION: Final = "mcp-session-id"
_RESUMES: Final = "last-event-id"
_RESUME_PAUSE: Final = 0.5
_BREAKS: Final = (httpx2.NetworkError, httpx2.ConnectTimeout, httpx2.RemoteProtocolError)
_REFUSALS: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_ABSENT: Final = frozenset(
    {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)


class Overrun(Exception):
    """A server has us send more requests than what was asked of it can need."""


@dataclass(slots=True)
class Exchange:
    """What may come of one thing that is asked of a server, with all the requests that it takes.

    `bytes_left`: of answers; `lines_left`: of event streams, each of which may be a message to look at;
    `values_left`: of JSON, for it is their number that takes time, in which everybody waits. `deadline`: when
    nobody waits for it any more. `away`: the server was not there, or left; `gone`: it does not know our
    session any more.
    """

    bytes_left: int
    deadline: float = math.inf
    requests_left: int = 40
    lines_left: int = 5_000
    values_left: int = 150_000
    trouble: Trouble | None = None
    away: bool = False
    gone: bool = False


CURRENT: Final[ContextVar[Exchange]] = ContextVar("exchange")
"""The exchange at hand. The MCP SDK carries the context along to the requests that it sends."""


@dataclass(frozen=True, slots=True)
class Network:
    """How other servers are reached: `resolve` has the addresses of a name."""

    resolve: Resolve = _look_up
    tls: ssl.SSLContext | None = None


class Credential(httpx2.Auth):
    """Sends what `header_of()` says, name and value, with each request."""

    def __init__(self, header_of: Callable[[], tuple[str, str]]) -> None:
        self._header_of: Final = header_of

    @override
    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response]:
        name, value = self._header_of()
        request.headers[name] = value
        yield request


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Connections to one server, which is public unless it may be `anywhere`.

    What goes wrong becomes an answer, for the MCP SDK hands one to the call that waits for it, but ends the
    client at an exception.
    """

    def __init__(self, network: Network, *, anywhere: bool) -> None:
        self._network: Final = network
        self._anywhere: Final = anywhere
        self._inner: Final = open_transport(network.tls, kept_open=2)

    @override
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        exchange = CURRENT.get()
        exchange.requests_left -= 1
        if exchange.requests_left < 0:
            exchange.trouble = "too_much"
            raise Overrun
        if request.method == "GET":
            if _RESUMES not in request.headers:
                # A stream for what the server wants to say unasked: nothing of that is of use here.
                return httpx2.Response(HTTPStatus.METHOD_NOT_ALLOWED)
            if time.monotonic() > exchange.deadline:
                return httpx2.Response(HTTPStatus.SERVICE_UNAVAILABLE)
            await anyio.sleep(_RESUME_PAUSE)
        try:
            response = await reach(
                self._inner,
                request,
                self._network.resolve,
                lambda found: self._may_reach(found, request.url.scheme),
            )
        except (NotThere, httpx2.TransportError) as error:
            return _told(exchange, error)
        return _watched(exchange, request, response)

    def _may_reach(self, found: Sequence[IPAddress], scheme: str) -> bool:
        """Over the public internet only with TLS; into private networks only where that was allowed."""
        if self._anywhere:
            return scheme == "https" or not any(is_public(address) for address in found)
        return scheme == "https" and all(is_public(address) for address in found)

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()


def _told(exchange: Exchange, error: Exception) -> httpx2.Response:
    timed_out = isinstance(error, httpx2.TimeoutException) and not isinstance(error, httpx2.ConnectTimeout)
    exchange.trouble = "timed_out" if timed_out else "unreachable"
    exchange.away = isinstance(error, _BREAKS)
    return httpx2.Response(HTTPStatus.BAD_GATEWAY)


def _watched(exchange: Exchange, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
    exchange.away = response.status_code in _ABSENT
    exchange.gone = response.status_code == HTTPStatus.NOT_FOUND and _SESSION in request.headers
    if response.status_code in _REFUSALS:
        exchange.trouble = "refused"
    elif response.has_redirect_location:
        exchange.trouble = "redirected"
    elif response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        exchange.trouble = "unreachable" if exchange.away else "not_mcp"
    # None was asked for; what cannot be decoded would be an exception, and a little can become a lot.
    response.headers.pop("content-encoding", None)
    response.stream = _Measured(response, exchange)
    return response


class _Measured(httpx2.AsyncByteStream):
    """What may arrive of a body: half of one is no JSON, which is an answer as well."""

    def __init__(self, response: httpx2.Response, exchange: Exchange) -> None:
        self._stream: Final = cast("httpx2.AsyncByteStream", response.stream)
        kind = response.headers.get("content-type", "").lower()
        # The MCP SDK looks at how it begins, and after that takes it for an event stream or for nothing.
        self._is_stream: Final = not kind.startswith("application/json")
        self._exchange: Final = exchange

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        exchange = self._exchange
        try:
            async for chunk in self._stream:
                if self._is_too_much(chunk):
                    exchange.trouble = "too_much"
                    return
                if time.monotonic() > exchange.deadline:
                    # Whoever asked has left; one who drips on would keep the connection for ever.
                    return
                yield chunk
        except httpx2.TransportError as error:
            _told(exchange, error)

    def _is_too_much(self, chunk: bytes) -> bool:
        exchange = self._exchange
        exchange.bytes_left -= len(chunk)
        exchange.values_left -= sum(map(chunk.count, (b",", b"[", b"{")))
        if self._is_stream:
            exchange.lines_left -= chunk.count(b"\n") + chunk.count(b"\r")
        return min(exchange.bytes_left, exchange.values_left, exchange.lines_left) < 0

    @override
    async def aclose(self) -> None:
        await self._stream.aclose()
