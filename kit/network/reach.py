"""One request to a host by name: looked up, checked, and sent to the address that was checked.

A name that changes its mind cannot help (DNS rebinding). Nothing of the environment is used: no proxy.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from ipaddress import ip_address
from typing import Final, TypeAlias

import httpx2

from kit.network.addresses import IPAddress

__all__ = ["NotThere", "Resolve", "host_of", "look_up", "open_transport", "port_of", "reach", "resolver"]

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""A host name and a port in; its addresses out, best first. Raises OSError where there are none."""

_MOST_ADDRESSES: Final = 4
_CONNECT_SECONDS: Final = 3.0
_NAME: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")


class NotThere(Exception):
    """The host has no address, or one that may not be reached: the same, so that neither is told."""


def resolver(threads: int) -> Resolve:
    """Ask the system's resolver, with this many threads of its own: lookups that hang starve nobody else."""

    @cache
    def pool() -> ThreadPoolExecutor:
        return ThreadPoolExecutor(threads, thread_name_prefix="lookup")

    async def look_up(host: str, port: int) -> Sequence[str]:
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(pool(), ask)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    return look_up


look_up: Final = resolver(8)


@cache
def _tls() -> ssl.SSLContext:
    return httpx2.create_ssl_context(trust_env=False)


def open_transport(tls: ssl.SSLContext | None = None, *, kept_open: int = 0) -> httpx2.AsyncBaseTransport:
    """Connections; none is reused unless told, since two names may share an address but not a certificate."""
    limits = httpx2.Limits(max_keepalive_connections=kept_open)
    return httpx2.AsyncHTTPTransport(verify=tls or _tls(), trust_env=False, limits=limits)


def host_of(url: httpx2.URL) -> str:
    """The host in ASCII, without brackets; empty for one that is neither a plain name nor an address."""
    host = url.raw_host.decode("ascii").lower()
    if ":" not in host:
        return host if _NAME.fullmatch(host) else ""
    return "" if "%" in host else host


def port_of(url: httpx2.URL) -> int:
    return url.port or {"http": 80, "https": 443}[url.scheme]


async def reach(
    transport: httpx2.AsyncBaseTransport,
    request: httpx2.Request,
    resolve: Resolve,
    may_reach: Callable[[Sequence[IPAddress]], bool],
) -> httpx2.Response:
    """Send `request` by `transport` to the first address of its host that takes the connection.

    `may_reach` is asked about all the addresses. Raises NotThere, and httpx2.TransportError.
    """
    failure: httpx2.TransportError | None = None
    for address in await _addresses(request.url, resolve, may_reach):
        try:
            return await transport.handle_async_request(_pinned(request, address))
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            failure = error
    raise failure or NotThere


async def _addresses(
    url: httpx2.URL, resolve: Resolve, may_reach: Callable[[Sequence[IPAddress]], bool]
) -> list[str]:
    try:
        found = [ip_address(address) for address in await resolve(host_of(url), port_of(url))]
    except (OSError, ValueError) as error:
        raise NotThere from error
    if not found or not may_reach(found):
        raise NotThere
    return [str(address) for address in found[:_MOST_ADDRESSES]]


def _pinned(request: httpx2.Request, address: str) -> httpx2.Request:
    """The request, to `address`; the server, and the check of its certificate, see it as one to its host."""
    url, headers = request.url, request.headers.copy()
    headers["Host"] = url.netloc.decode("ascii")
    return httpx2.Request(
        request.method,
        url.copy_with(host=address),
        headers=headers,
        stream=request.stream,
        extensions={
            **request.extensions,
            "sni_hostname": host_of(url).rstrip("."),
            "timeout": {**request.extensions.get("timeout", {}), "connect": _CONNECT_SECONDS},
        },
    )
