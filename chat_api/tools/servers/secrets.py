"""What the secret of a server is bound to, and whom a token is meant for."""

from typing import Protocol
from uuid import UUID

import httpx2

from kit.network import host_of, port_of

__all__ = ["audience_of", "bound_to", "origin"]


def origin(url: str) -> str:
    """Scheme, host and port: whoever is there gets the secret."""
    parsed = httpx2.URL(url)
    return f"{parsed.scheme}://{host_of(parsed)}:{port_of(parsed)}"


def bound_to(server_id: UUID, user_id: UUID, url: str) -> tuple[str, ...]:
    return ("mcp server", str(server_id), str(user_id), origin(url))


class _Addressed(Protocol):
    @property
    def url(self) -> str: ...

    @property
    def audience(self) -> str | None: ...


def audience_of(server: _Addressed) -> str:
    """The `aud` of tokens for the server: its address, unless an admin has named another (RFC 8707)."""
    return server.audience or str(httpx2.URL(server.url).copy_with(query=None))
