"""Reading the web for a user, without reaching into the network that this server stands in.

Every address that a host name has is checked before a connection is made, and the connection goes to the
address that was checked: a name that changes its mind cannot help (DNS rebinding). Each redirect starts
over. Nothing of the caller is sent: no token, no cookie, no proxy of the environment. Any port will do,
and https may lead to http: the address decides, and there is no secret to lose.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from functools import cache, partial
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, TypeAlias

import anyio
import httpx2

__all__ = [
    "Answered",
    "BadAddress",
    "Fetched",
    "NotPublic",
    "NotText",
    "Outbound",
    "OutboundError",
    "TooManyRedirects",
    "TookTooLong",
    "Unreachable",
    "is_public",
]

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""A host name and a port in; its addresses out, best first. Raises OSError where there are none."""

MOST_BYTES: Final = 2_000_000
_MOST_REDIRECTS: Final = 5
_MOST_ADDRESSES: Final = 4
_CONNECT_SECONDS: Final = 3.0
_HEADERS: Final = {
    "User-Agent": "Mozilla/5.0 (compatible; turnlog)",
    "Accept": "text/html, application/xhtml+xml, text/*;q=0.9, application/json;q=0.8, */*;q=0.1",
    "Accept-Encoding": "gzip, deflate",
}
_NAME: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")
_DECODED: Final = frozenset({"", "identity", "gzip", "deflate"})
_READABLE: Final = re.compile(r"text/.+|application/(json|xml|.+\+json|.+\+xml)")
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,80}")

_UNICAST: Final = ip_network("2000::/3")
_NAT64: Final = ip_network("64:ff9b::/96")
# The IANA special-purpose registries (RFC 6890), and Azure's host agent at its public-looking address.
_SPECIAL: Final = tuple(
    ip_network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24"),
        *("192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32"),
        *("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"),
    )
)


class OutboundError(Exception):
    """Why there is nothing to read, in plain words that name no address."""


class BadAddress(OutboundError):
    pass


class NotPublic(OutboundError):
    pass


class Unreachable(OutboundError):
    pass


class TookTooLong(OutboundError):
    pass


class TooManyRedirects(OutboundError):
    pass


class NotText(OutboundError):
    pass


class Answered(OutboundError):
    def __init__(self, status: int) -> None:
        super().__init__(f"That website answered with error {status}: check the address or use another one.")
        self.status = status


@dataclass(frozen=True, slots=True)
class Fetched:
    """`url` is where the redirects ended; `complete` is false where `body` is the first MOST_BYTES only."""

    url: str
    media_type: str
    charset: str | None
    body: bytes
    complete: bool


@cache
def _lookups() -> ThreadPoolExecutor:
    # Its own threads, few of them: lookups that hang must not starve the rest of the server.
    return ThreadPoolExecutor(8, thread_name_prefix="lookup")


async def look_up(host: str, port: int) -> Sequence[str]:
    """What the system's resolver says."""
    ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_lookups(), ask)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@cache
def _tls() -> ssl.SSLContext:
    return httpx2.create_ssl_context(trust_env=False)


def open_transport(tls: ssl.SSLContext | None = None) -> httpx2.AsyncBaseTransport:
    """Connections that are never reused, since two names may share an address but not a certificate."""
    limits = httpx2.Limits(max_keepalive_connections=0)
    return httpx2.AsyncHTTPTransport(verify=tls or _tls(), trust_env=False, limits=limits)


@dataclass(frozen=True, slots=True)
class Outbound:
    """A guarded GET. `allowed_hosts` (`host` or `host:port`, lower case) may be anywhere; the rest is public.

    `seconds` is for the whole of it: lookups, redirects and body.
    """

    allowed_hosts: frozenset[str] = frozenset()
    seconds: float = 10.0
    resolve: Resolve = look_up
    transport: Callable[[], httpx2.AsyncBaseTransport] = open_transport

    async def get(self, address: str) -> Fetched:
        """Read text from `address`. Raises OutboundError."""
        try:
            with anyio.fail_after(self.seconds):
                async with self.transport() as transport:
                    return await self._follow(transport, _parse(httpx2.URL, address))
        except TimeoutError as error:
            raise TookTooLong("That website took too long to answer; try another one.") from error
        except (httpx2.RequestError, OSError) as error:
            raise Unreachable("That website did not answer properly; try another one.") from error

    async def _follow(self, transport: httpx2.AsyncBaseTransport, url: httpx2.URL) -> Fetched:
        for _ in range(_MOST_REDIRECTS + 1):
            response = await self._send(transport, url)
            try:
                if not response.has_redirect_location:
                    return await _read(response, url)
            finally:
                await response.aclose()
            url = _parse(url.join, response.headers["location"])
        raise TooManyRedirects("That address leads from one to the next without end; use another one.")

    async def _send(self, transport: httpx2.AsyncBaseTransport, url: httpx2.URL) -> httpx2.Response:
        failure: httpx2.TransportError | None = None
        for address in await self._addresses(url):
            try:
                return await transport.handle_async_request(_pinned(url, address))
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                failure = error
        raise Unreachable("That website cannot be reached; try another one.") from failure

    async def _addresses(self, url: httpx2.URL) -> list[str]:
        # One sentence for a name that is unknown and for one that is private: no telling which names exist.
        refusal = NotPublic("There is no public website at that address; check it or use another one.")
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        try:
            found = [ip_address(address) for address in await self.resolve(_host(url), port)]
        except (OSError, ValueError) as error:
            raise refusal from error
        if not found or not (self._allows(url, port) or all(is_public(address) for address in found)):
            raise refusal
        return [str(address) for address in found[:_MOST_ADDRESSES]]

    def _allows(self, url: httpx2.URL, port: int) -> bool:
        host = f"[{_host(url)}]" if ":" in _host(url) else _host(url)
        return not self.allowed_hosts.isdisjoint((host, f"{host}:{port}"))


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether `address` is global unicast; for IPv4 inside IPv6 (mapped, NAT64) it is the inner one."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is None and address not in _UNICAST:
            return False
        address = inner or address
    return not any(address in network for network in _SPECIAL)


def _parse(read: Callable[[str], httpx2.URL], address: str) -> httpx2.URL:
    """The one reading of an address that both the check and the connection go by. Raises BadAddress."""
    refusal = BadAddress("Only a full web address that starts with http:// or https:// can be read.")
    try:
        url = read(address)
    except (httpx2.InvalidURL, ValueError) as error:
        raise refusal from error
    if url.scheme not in {"http", "https"} or not _host(url):
        raise refusal
    if url.userinfo:
        raise BadAddress("Only a web address without a user name and password can be read.")
    if url.port is not None and not 0 < url.port <= 65535:  # noqa: PLR2004
        raise refusal
    return url


def _host(url: httpx2.URL) -> str:
    """The host in ASCII, without brackets; empty for one that is neither a plain name nor an address."""
    host = url.raw_host.decode("ascii").lower()
    if ":" not in host:
        return host if _NAME.fullmatch(host) else ""
    return "" if "%" in host else host


def _pinned(url: httpx2.URL, address: str) -> httpx2.Request:
    """A request to `address` that the server, and the check of its certificate, see as one for `url`."""
    return httpx2.Request(
        "GET",
        url.copy_with(host=address),
        headers=_HEADERS | {"Host": url.netloc.decode("ascii")},
        extensions={"sni_hostname": _host(url).rstrip("."), "timeout": {"connect": _CONNECT_SECONDS}},
    )


async def _read(response: httpx2.Response, url: httpx2.URL) -> Fetched:
    if not response.is_success:
        raise Answered(response.status_code)
    media_type = _media_type(response)
    # One encoding only: a few layers of them turn 64 KB into hours of work between two awaits.
    if response.headers.get("content-encoding", "identity").strip().lower() not in _DECODED:
        raise NotText("That page is compressed in a way that cannot be read; use another one.")
    body = bytearray()
    async with aclosing(response.aiter_bytes()) as parts:
        async for part in parts:
            body += part
            if len(body) > MOST_BYTES:
                break
    complete = len(body) <= MOST_BYTES
    return Fetched(str(url), media_type, response.charset_encoding, bytes(body[:MOST_BYTES]), complete)


def _media_type(response: httpx2.Response) -> str:
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if _READABLE.fullmatch(media_type):
        return media_type
    kind = media_type if _MEDIA_TYPE.fullmatch(media_type) else "an unknown kind"
    raise NotText(f"That address holds {kind}, and only web pages and texts can be read; use another one.")
