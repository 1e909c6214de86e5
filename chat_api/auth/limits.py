"""How often somebody may ask: by the person, or where nobody is signed in by the address."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Final, Literal, TypeAlias, cast
from uuid import UUID

from fastapi import Request
from fastapi.security.utils import get_authorization_scheme_param
from starlette.requests import HTTPConnection

from chat_api.auth.seats import Seats
from kit.access import Door
from kit.limits import Limiter, Quota
from kit.rates import Rate
from kit.tokens import Identity, InvalidToken

__all__ = [
    "Kind",
    "Limits",
    "address_of",
    "for_logins",
    "for_refreshing",
    "for_resources",
    "for_strangers",
    "for_turns",
    "limits_of",
    "tell",
]

Kind: TypeAlias = Literal["auth", "chat", "create", "read"]

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_REFRESHES: Final = Rate(60, 60)


@dataclass(frozen=True, slots=True)
class Limits:
    """The rates of each kind of request.

    Tier `premium` (a claim of the token) has `premium` times as much, and tier `default` has `default` times
    as much. So has an address where nobody is signed in. `answers` and `sockets` are what one may have open.
    """

    limiter: Limiter
    rates: Mapping[Kind, Rate]
    premium: float
    default: float
    answers: Seats
    sockets: Seats

    def of(self, kind: Kind, identity: Identity | None) -> Rate:
        rate = self.rates[kind]
        if identity is None:
            return rate if kind == "auth" else rate.times(self.default)
        match identity.claims.get("tier"):
            case "premium":
                return rate.times(self.premium)
            case "default":
                return rate.times(self.default)
            case _:
                return rate

    async def hit(self, kind: Kind, identity: Identity | None, address: str) -> Quota:
        """Count a request. Raises TooManyRequests."""
        whose = address if identity is None else identity.owner.hex
        return await self.limiter.hit(kind, self.of(kind, identity), whose)


def limits_of(connection: HTTPConnection) -> Limits | None:
    """None: nothing is limited."""
    return cast("Limits | None", connection.state.limits)


def tell(request: Request, quota: Quota) -> None:
    """Have the answer say what is left."""
    request.scope["answer_headers"] = quota.headers


async def _hit(request: Request, kind: Kind, identity: Identity | None) -> None:
    limits = limits_of(request)
    if limits is not None:
        tell(request, await limits.hit(kind, identity, address_of(request)))


def address_of(request: HTTPConnection) -> str:
    """Where a request comes from: of IPv6 the network, in which one person has as many as they like."""
    try:
        address = ip_address(request.client.host if request.client else "")
    except ValueError:
        return "unknown"
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((int(address), 64), strict=False))


async def for_logins(request: Request) -> None:
    """Limit what takes passwords and the like, by address. Raises TooManyRequests."""
    await _hit(request, "auth", None)


async def for_refreshing(request: Request, login_id: UUID | None) -> None:
    """Limit how often a login is refreshed. Not by address: a web page asks for many people from one.

    Raises TooManyRequests.
    """
    limits = limits_of(request)
    if limits is not None and login_id is not None:
        tell(request, await limits.limiter.hit("refresh", _REFRESHES, login_id.hex))


async def for_resources(request: Request) -> None:
    """Limit reading and changing. Raises TooManyRequests."""
    identity = await _asking(request, request.query_params.get("access_token"))
    await _hit(request, "read" if request.method in _READING else "create", identity)


async def for_turns(request: Request) -> None:
    """Limit who is not signed in; turns of others are counted as they begin. Raises TooManyRequests."""
    if await _asking(request) is None:
        await for_strangers(request)


async def for_strangers(connection: HTTPConnection) -> None:
    """Count somebody who wants to take turns and is not signed in. Raises TooManyRequests."""
    limits = limits_of(connection)
    if limits is not None:
        await limits.hit("chat", None, address_of(connection))


async def _asking(request: Request, also: str | None = None) -> Identity | None:
    """Whom the token, which may be `also`, speaks for; nobody where it is not valid: the route says so."""
    scheme, token = get_authorization_scheme_param(request.headers.get("Authorization"))
    given = token if scheme.lower() == "bearer" else also
    if given:
        with suppress(InvalidToken):
            return await cast("Door", request.state.door).identify(given)
    return None
