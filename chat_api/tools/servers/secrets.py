"""What the secret of a server is bound to, and when it has to be sent anew."""

from uuid import UUID

import httpx2

from kit.network import host_of, port_of

__all__ = ["bound_to", "origin"]


def origin(url: str) -> str:
    """Scheme, host and port: whoever is there gets the secret."""
    parsed = httpx2.URL(url)
    return f"{parsed.scheme}://{host_of(parsed)}:{port_of(parsed)}"


def bound_to(server_id: UUID, user_id: UUID, url: str) -> tuple[str, ...]:
    return ("mcp server", str(server_id), str(user_id), origin(url))
