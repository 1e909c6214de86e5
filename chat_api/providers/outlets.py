"""Connections to providers: to those of the operator from one pool, to others only where they may lead."""

import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import httpx2
from typing_extensions import override

from chat_api.providers.provider import Provider
from kit.network import (
    IPAddress,
    Lookups,
    NotThere,
    Resolve,
    is_public,
    open_transport,
    reach,
    resolver,
)

__all__ = ["Network", "Outlets", "open_outlets"]

_CONNECT_SECONDS: Final = 5.0
_look_up: Final = resolver(16)


@dataclass(frozen=True, slots=True)
class Network:
    """How the providers that people name are reached: `resolve` has the addresses of a name."""

    resolve: Resolve = _look_up
    tls: ssl.SSLContext | None = None


class Guarded(httpx2.AsyncBaseTransport):
    """Connections to public addresses, or to those that an admin has named too; looked up for each request.

    A redirect is no connection: the clients follow none.
    """

    def __init__(self, inner: httpx2.AsyncBaseTransport, resolve: Resolve, *, anywhere: bool) -> None:
        self._inner: Final = inner
        self._resolve: Final = resolve
        self._anywhere: Final = anywhere

    @override
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        def may_reach(found: Sequence[IPAddress]) -> bool:
            # Over the public internet only with TLS.
            secure, public = request.url.scheme == "https", [is_public(address) for address in found]
            return secure and all(public) if not self._anywhere else secure or not any(public)

        try:
            response = await reach(self._inner, request, self._resolve, may_reach)
        except NotThere as error:
            raise httpx2.ConnectError("no such address") from error
        # None was asked for, and a little can become a lot.
        response.headers.pop("content-encoding", None)
        return response


class Outlets:
    """Clients by where a provider may be. What they share is closed with the outlets, not by who uses it."""

    def __init__(
        self, pool: httpx2.AsyncClient, guarded: httpx2.AsyncBaseTransport, resolve: Resolve
    ) -> None:
        self._pool: Final = pool
        self._guarded: Final = guarded
        self._lookups: Final = Lookups(resolve)

    def of(self, provider: Provider) -> httpx2.AsyncClient:
        if provider.place == "operator":
            return self._pool
        return httpx2.AsyncClient(
            transport=Guarded(
                self._guarded,
                self._lookups.of(provider.owner or UUID(int=0)),
                anywhere=provider.place == "anywhere",
            ),
            timeout=httpx2.Timeout(None, connect=_CONNECT_SECONDS),
            headers={"User-Agent": "turnlog"},
            trust_env=False,
        )


@asynccontextmanager
async def open_outlets(network: Network | None = None) -> AsyncGenerator[Outlets]:
    network = network or Network()
    timeout = httpx2.Timeout(None, connect=_CONNECT_SECONDS)
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=100)
    async with (
        httpx2.AsyncClient(timeout=timeout, limits=limits, trust_env=False) as pool,
        open_transport(network.tls) as guarded,
    ):
        yield Outlets(pool, guarded, network.resolve)
