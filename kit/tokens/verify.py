"""Checking tokens: one verifier, each issuer with the algorithms that are pinned to its keys."""

import re
import time
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import jwt

from kit.errors import Problem
from kit.tokens.identity import Identity
from kit.tokens.keys import BUILT_IN_ISSUER, KeyRing
from kit.tokens.remote import PublicKey, RemoteKeys

__all__ = ["InvalidToken", "Verifier"]

_REQUIRED: Final = ["iss", "aud", "sub", "exp", "iat"]
_REFUSED_HEADERS: Final = frozenset({"crit", "jku", "jwk", "x5u", "x5c"})
_LEEWAY_SECONDS: Final = 5
_MOST_REMEMBERED: Final = 2000
_LONGEST_TOKEN: Final = 8192
_LONGEST_SUBJECT: Final = 255
_COMPACT: Final = re.compile(r"([\w-]+)\.([\w-]+)\.([\w-]+)", re.ASCII)
# What the last group of base64url ends with, by its length: unused bits are zero (RFC 4648, section 3.5).
_ENDS: Final = {2: "AQgw", 3: "AEIMQUYcgkosw048"}


class InvalidToken(Problem):
    status = 401
    code = "invalid_token"


class _UnknownKey(InvalidToken):
    """The token names a key that is not known; perhaps it is a new one."""

    def __init__(self, kid: str, algorithm: str) -> None:
        super().__init__("The token is signed by nobody that this server trusts.")
        self.kid = kid
        self.algorithm = algorithm


class _Trust(NamedTuple):
    """A key, and what it may be used for. `kid` is empty for a secret."""

    kid: str
    algorithm: str
    key: PublicKey | str
    issuer: str


@dataclass(frozen=True, slots=True)
class Verifier:
    """Accepts the built-in issuer's tokens and, given a `secret` or `remote` keys, those of your own issuer.

    `issuer` is the name that your own issuer must give itself; `audience` is ours.
    """

    keys: KeyRing
    audience: str
    issuer: str
    secret: str | None = None
    remote: RemoteKeys | None = None
    _accepted: dict[str, tuple[Identity, _Trust]] = field(
        default_factory=dict[str, tuple[Identity, _Trust]], compare=False, repr=False
    )

    async def identify(self, token: str) -> Identity:
        """Return who `token` speaks for; a key that is not known is looked for first.

        Raises InvalidToken where it is malformed, forged, expired, or meant for somebody else.
        """
        try:
            return self.verify(token)
        except _UnknownKey as unknown:
            await self.keys.renew()
            if self.remote is not None:
                await self.remote.renew(unknown.kid, unknown.algorithm)
        return self.verify(token)

    def verify(self, token: str) -> Identity:
        """The same by the keys that are known. To check a token again before it expires costs nothing."""
        known = self._accepted.get(token)
        if known is not None and self._is_good(*known):
            return known[0]
        trust = self._trust(_header(token))
        identity = self._check(token, trust)
        if len(self._accepted) >= _MOST_REMEMBERED:
            self._accepted.clear()
        self._accepted[token] = identity, trust
        return identity

    def _is_good(self, identity: Identity, trust: _Trust) -> bool:
        if int(identity.claims["exp"]) <= time.time() - _LEEWAY_SECONDS:
            return False
        return not trust.kid or self._key(trust.kid, trust.algorithm) == trust

    def _check(self, token: str, trust: _Trust) -> Identity:
        try:
            claims = jwt.decode(
                token,
                trust.key,
                algorithms=[trust.algorithm],
                audience=self.audience,
                issuer=trust.issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": _REQUIRED},
            )
        except jwt.ExpiredSignatureError as error:
            raise InvalidToken("The token has expired; get a new one.") from error
        except jwt.InvalidAudienceError as error:
            raise InvalidToken("The token is meant for another service.") from error
        except jwt.PyJWTError as error:
            raise InvalidToken("The token is not valid.") from error
        return _identity(claims, built_in=trust.key is self.keys.public.get(trust.kid))

    def _trust(self, header: dict[str, Any]) -> _Trust:
        """The key, the algorithm and the issuer that this header may speak for."""
        match header:
            case {"alg": "HS256"} if self.secret:
                return _Trust("", "HS256", self.secret, self.issuer)
            case {"alg": "EdDSA" | "RS256" | "ES256" as algorithm, "kid": str(kid)}:
                found = self._key(kid, algorithm)
                if found is None:
                    raise _UnknownKey(kid, algorithm)
                return found
            case _:
                raise InvalidToken("The token is signed by nobody that this server trusts.")

    def _key(self, kid: str, algorithm: str) -> _Trust | None:
        if algorithm == "EdDSA" and kid in self.keys.public:
            return _Trust(kid, algorithm, self.keys.public[kid], BUILT_IN_ISSUER)
        key = None if self.remote is None else self.remote.find(kid, algorithm)
        return None if key is None else _Trust(kid, algorithm, key, self.issuer)


def _header(token: str) -> dict[str, Any]:
    if len(token) > _LONGEST_TOKEN:
        raise InvalidToken("The token is too long.")
    parts = _COMPACT.fullmatch(token)
    if parts is None or not all(map(_is_canonical, parts.groups())):
        raise InvalidToken("The token is not a JWT.")
    try:
        # The rest is decoded once, with the check of the signature.
        header = jwt.get_unverified_header(f"{parts[1]}..")
    except jwt.PyJWTError as error:
        raise InvalidToken("The token is not a JWT.") from error
    if _REFUSED_HEADERS & header.keys():
        raise InvalidToken("The token asks for header extensions that are not accepted.")
    return header


def _is_canonical(part: str) -> bool:
    """Whether no other text stands for the same bytes."""
    over = len(part) % 4
    return over == 0 or part[-1] in _ENDS.get(over, "")


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
