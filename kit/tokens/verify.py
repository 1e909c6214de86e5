"""Checking tokens: one verifier, each issuer with the one algorithm that is pinned to it."""

import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from kit.errors import Problem
from kit.ids import owner_id
from kit.tokens.keys import BUILT_IN_ISSUER, KeyRing

__all__ = ["ADMIN", "Identity", "InvalidToken", "Verifier"]

ADMIN: Final = "admin"
_REQUIRED: Final = ["iss", "aud", "sub", "exp", "iat"]
_REFUSED_HEADERS: Final = frozenset({"crit", "jku", "jwk", "x5u", "x5c"})
_LEEWAY_SECONDS: Final = 5
_MOST_REMEMBERED: Final = 2000
_LONGEST_TOKEN: Final = 8192
_LONGEST_SUBJECT: Final = 255


class InvalidToken(Problem):
    status = 401
    code = "invalid_token"


@dataclass(frozen=True)
class Identity:
    """Who a checked token speaks for."""

    issuer: str
    subject: str
    claims: dict[str, Any]

    @cached_property
    def owner(self) -> UUID:
        return owner_id(self.issuer, self.subject)

    @property
    def is_admin(self) -> bool:
        """Whether the issuer names the person an admin (`roles`, RFC 9068, section 2.2.3.1)."""
        roles = self.claims.get("roles")
        return isinstance(roles, list) and ADMIN in roles

    @property
    def zone(self) -> str | None:
        """The person's time zone (`zoneinfo`, OpenID Connect Core 1.0, section 5.1), if the token tells."""
        zone = self.claims.get("zoneinfo")
        return zone if isinstance(zone, str) and _is_zone(zone) else None


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # OSError: a folder of the zone database, such as Europe.
        return False
    return True


@dataclass(frozen=True, slots=True)
class Verifier:
    """Accepts the built-in issuer's tokens and, given a `secret`, those of the issuer that shares it.

    `issuer` is the name that the shared-secret issuer must give itself; `audience` is ours.
    """

    keys: KeyRing
    audience: str
    issuer: str
    secret: str | None = None
    _accepted: dict[str, Identity] = field(default_factory=dict[str, Identity], compare=False, repr=False)

    def verify(self, token: str) -> Identity:
        """Return who `token` speaks for. To check a token again before it expires costs nothing.

        Raises InvalidToken where it is malformed, forged, expired, or meant for somebody else.
        """
        known = self._accepted.get(token)
        if known is not None and int(known.claims["exp"]) > time.time() - _LEEWAY_SECONDS:
            return known
        identity = self._check(token)
        if len(self._accepted) >= _MOST_REMEMBERED:
            self._accepted.clear()
        self._accepted[token] = identity
        return identity

    def _check(self, token: str) -> Identity:
        key, algorithm, issuer = self._trust(_header(token))
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self.audience,
                issuer=issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": _REQUIRED},
            )
        except jwt.ExpiredSignatureError as error:
            raise InvalidToken("The token has expired; get a new one.") from error
        except jwt.InvalidAudienceError as error:
            raise InvalidToken("The token is meant for another service.") from error
        except jwt.PyJWTError as error:
            raise InvalidToken("The token is not valid.") from error
        return _identity(claims, built_in=algorithm == "EdDSA")

    def _trust(self, header: dict[str, Any]) -> tuple[Ed25519PublicKey | str, str, str]:
        """The key, the algorithm and the issuer that this header may speak for."""
        match header:
            case {"alg": "EdDSA", "kid": str(kid)} if kid in self.keys.public:
                return self.keys.public[kid], "EdDSA", BUILT_IN_ISSUER
            case {"alg": "HS256"} if self.secret:
                return self.secret, "HS256", self.issuer
            case _:
                raise InvalidToken("The token is signed by nobody that this server trusts.")


def _header(token: str) -> dict[str, Any]:
    if len(token) > _LONGEST_TOKEN:
        raise InvalidToken("The token is too long.")
    # The rest is decoded once, with the check of the signature.
    alone = f"{token.partition('.')[0]}.."
    try:
        header = jwt.get_unverified_header(alone)
    except jwt.PyJWTError as error:
        raise InvalidToken("The token is not a JWT.") from error
    if _REFUSED_HEADERS & header.keys():
        raise InvalidToken("The token asks for header extensions that are not accepted.")
    return header


def _identity(claims: dict[str, Any], *, built_in: bool) -> Identity:
    issuer, subject = claims["iss"], claims["sub"]
    # A delegated token names the person's own issuer (RFC 9493, section 3.2.4): only ours may say so.
    match claims.get("sub_id"):
        case {"format": "iss_sub", "iss": str(iss), "sub": str(sub)} if built_in:
            issuer, subject = iss, sub
        case _:
            pass
    if not 0 < len(subject) <= _LONGEST_SUBJECT or not subject.isprintable():
        raise InvalidToken("The token's subject is empty, too long, or has control characters.")
    return Identity(issuer, subject, claims)
