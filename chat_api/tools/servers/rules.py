"""What may be said of another MCP server, and by whom."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

import httpx2

from chat_api.auth.dependencies import NotAdmin
from chat_api.tools.servers.errors import McpServerInvalid
from chat_api.tools.servers.models import McpServer
from chat_api.tools.servers.secrets import audience_of
from kit.network import host_of, is_public
from kit.tokens import Identity

__all__ = ["Rules", "check_url"]

_RESERVED_NAMES: Final = frozenset({"custom", "turnlog"})
_RESERVED_HEADERS: Final = re.compile(
    r"(accept|content|mcp|proxy|sec)(-.*)?|connection|cookie|expect|host|keep-alive|last-event-id|origin|te"
    r"|trailer|transfer-encoding|upgrade|user-agent",
    re.IGNORECASE,
)
_LARGEST_PORT: Final = 65_535


@dataclass(frozen=True, slots=True)
class Rules:
    """`our_audiences`: whoever had a token for one of these could act here in the user's name."""

    our_audiences: Collection[str]

    def check(self, server: McpServer, by: Identity) -> None:
        """Whether `by` may leave `server` like this. Raises McpServerInvalid, NotAdmin."""
        if server.shared and not by.is_admin:
            raise NotAdmin("Only an admin may share an MCP server.")
        if server.name in _RESERVED_NAMES:
            raise McpServerInvalid("name", "This name is taken by our own tools; use another one.")
        url = check_url(server.url)
        if not server.anywhere and (url.scheme != "https" or not _may_be_public(host_of(url))):
            raise McpServerInvalid(
                "url", "Only a public address with https:// will do; an admin can register others."
            )
        self._check_auth(server)

    def _check_auth(self, server: McpServer) -> None:
        if server.auth == "header" and (server.header is None or _RESERVED_HEADERS.fullmatch(server.header)):
            raise McpServerInvalid(
                "header", "Name the header that the secret goes into, not one of HTTP's or MCP's."
            )
        if server.auth != "header" and server.header is not None:
            raise McpServerInvalid("header", "A header goes only with `auth` of `header`.")
        if server.auth in {"bearer", "header"} and server.secret is None:
            raise McpServerInvalid("secret", "This way to sign in needs a secret.")
        if server.auth != "user" and server.audience is not None:
            raise McpServerInvalid("audience", "An audience goes only with `auth` of `user`.")
        if server.auth == "user" and audience_of(server) in self.our_audiences:
            raise McpServerInvalid("audience", "A token with this audience would be good for Turnlog itself.")


def check_url(address: str) -> httpx2.URL:
    """The address, which may be that of an MCP server. Raises McpServerInvalid."""
    try:
        url = httpx2.URL(address)
    except (httpx2.InvalidURL, ValueError) as error:
        raise McpServerInvalid("url", "This is no web address.") from error
    if url.scheme not in {"http", "https"} or not host_of(url):
        raise McpServerInvalid("url", "Only a full web address that starts with https:// will do.")
    if url.userinfo or url.fragment or (url.port is not None and not 0 < url.port <= _LARGEST_PORT):
        raise McpServerInvalid("url", "The address must have no user name, no password and no fragment.")
    return url


def _may_be_public(host: str) -> bool:
    try:
        return is_public(ip_address(host))
    except ValueError:
        # A name: where it leads is looked at each time before it is followed.
        return True
