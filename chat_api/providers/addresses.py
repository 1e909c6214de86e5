"""The addresses of providers: in which form they are kept, and who may name which."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Self, TypeAlias

import httpx2

from chat_api.providers.errors import ProviderInvalid
from chat_api.providers.names import Kind
from chat_api.providers.provider import Place, Provider
from kit.network import host_of, is_public, port_of

__all__ = ["Addresses", "api_url"]

_LARGEST_PORT: Final = 65_535
_VERSION: Final = "/v1"
_Place: TypeAlias = tuple[str, str, str, int, str]


def api_url(kind: Kind, address: str, field: str = "base_url") -> str:
    """Where the OpenAI API of the server at `address` is. Raises ProviderInvalid, which names the `field`."""
    try:
        url = httpx2.URL(address)
    except (httpx2.InvalidURL, ValueError) as error:
        raise ProviderInvalid(field, "This is no web address.") from error
    if url.scheme not in {"http", "https"} or not host_of(url):
        raise ProviderInvalid(field, "Only a full web address that starts with https:// or http:// will do.")
    wrong_port = url.port is not None and not 0 < url.port <= _LARGEST_PORT
    if url.userinfo or url.fragment or url.query or wrong_port:
        raise ProviderInvalid(
            field, "The address must have no user name, no password, no query and no fragment."
        )
    plain = str(url).rstrip("/")
    # The others name the root of their server; only of the OpenAI API may the version be elsewhere.
    rooted = kind != "openai" or url.path.strip("/") == ""
    return plain if not rooted or plain.endswith(_VERSION) else f"{plain}{_VERSION}"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Those that the settings name, which anybody may name too, for the same kind of server."""

    operators: frozenset[_Place]

    @classmethod
    def of(cls, providers: Iterable[Provider]) -> Self:
        return cls(frozenset(_place(provider.kind, provider.base_url) for provider in providers))

    def place(self, kind: str, base_url: str, *, by_admin: bool) -> Place:
        """How far connections to this address may lead."""
        if _place(kind, base_url) in self.operators:
            return "operator"
        return "anywhere" if by_admin else "public"

    def check(self, kind: str, base_url: str, *, by_admin: bool, field: str = "base_url") -> None:
        """Refuse what somebody who is no admin may not name. Raises ProviderInvalid."""
        if self.place(kind, base_url, by_admin=by_admin) != "public":
            return
        url = httpx2.URL(base_url)
        if url.scheme != "https" or not _may_be_public(host_of(url)):
            raise ProviderInvalid(
                field, "Only a public address with https:// will do; an admin can name others."
            )


def _place(kind: str, base_url: str) -> _Place:
    url = httpx2.URL(base_url)
    return kind, url.scheme, host_of(url), port_of(url), url.path.rstrip("/")


def _may_be_public(host: str) -> bool:
    try:
        return is_public(ip_address(host))
    except ValueError:
        # A name: where it leads is looked at each time before it is followed.
        return True
