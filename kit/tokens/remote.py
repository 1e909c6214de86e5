"""The public keys of your own issuer, from the address where it publishes them (RFC 7517)."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final, TypeAlias, cast

import httpx2
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

__all__ = ["PublicKey", "RemoteKeys"]

PublicKey: TypeAlias = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey

_LARGEST: Final = 256 * 1024
_MOST_KEYS: Final = 100
_SECONDS: Final = 5.0
_EVERY: Final = 600.0
_UNKNOWN_EVERY: Final = 60.0
_FAILED_EVERY: Final = 5.0
_ALGORITHMS: Final[Mapping[tuple[Any, Any], str]] = {
    ("OKP", "Ed25519"): "EdDSA",
    ("EC", "P-256"): "ES256",
    ("RSA", None): "RS256",
}
_PUBLIC: Final = ("kty", "crv", "x", "y", "n", "e")
_SECRET: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_SMALLEST_RSA: Final = 2048
_LARGEST_RSA: Final = 8192
_LARGEST_EXPONENT: Final = 2**32
_LONGEST_ID: Final = 255
_log = structlog.get_logger(__name__)


class RemoteKeys:
    """The keys at `url`, read every ten minutes, and where one is not known, once a minute at most besides.

    While the address does not answer, those of before are used.
    """

    def __init__(self, url: str) -> None:
        self._url: Final = url
        self._keys: Mapping[tuple[str, str], PublicKey] = {}
        self._reading: Final = asyncio.Lock()
        self._not_before = float("-inf")
        self._were_read = False

    def find(self, kid: str, algorithm: str) -> PublicKey | None:
        """The key of this id, if it is one for this algorithm."""
        return self._keys.get((kid, algorithm))

    async def renew(self, kid: str, algorithm: str) -> None:
        """Read the keys for one that is not known, unless that was done or tried a while ago."""
        async with self._reading:
            time = asyncio.get_running_loop().time
            if self.find(kid, algorithm) is not None or time() < self._not_before:
                return
            first = not self._were_read
            if not await self._read():
                self._not_before = time() + _FAILED_EVERY
            elif not first:
                self._not_before = time() + _UNKNOWN_EVERY

    async def keep_forever(self) -> None:
        """Read the keys now and then, so that those go that the issuer has taken back."""
        while True:
            async with self._reading:
                await self._read()
            await asyncio.sleep(_EVERY)

    async def _read(self) -> bool:
        try:
            self._keys = _keys(json.loads(await self._fetch()))
        except (httpx2.HTTPError, TimeoutError, ValueError, RecursionError) as error:
            _log.warning("issuer_keys_not_read", reason=type(error).__name__)
            return False
        self._were_read = True
        return True

    async def _fetch(self) -> bytes:
        """Raises httpx2.HTTPError, TimeoutError, and ValueError for an answer that is too large."""
        found = b""
        async with (
            asyncio.timeout(_SECONDS),
            httpx2.AsyncClient(trust_env=False, timeout=_SECONDS) as http,
            http.stream("GET", self._url, headers={"Accept-Encoding": "identity"}) as response,
        ):
            response.raise_for_status()
            async for chunk in response.aiter_raw():
                found += chunk
                if len(found) > _LARGEST:
                    raise ValueError("the key set is too large")
        return found


def _keys(found: Any) -> dict[tuple[str, str], PublicKey]:
    """The keys of a set that are for checking signatures. Raises ValueError where it is no set."""
    match found:
        case {"keys": [*jwks]}:
            pass
        case _:
            raise ValueError("not a key set")
    keys: dict[tuple[str, str], PublicKey] = {}
    for jwk in jwks[:_MOST_KEYS]:
        match jwk:
            case {"kid": str(kid)} if 0 < len(kid) <= _LONGEST_ID:
                algorithm, key = _key(cast("dict[str, Any]", jwk))
            case _:
                continue
        if key is not None:
            keys.setdefault((kid, algorithm), key)
    return keys


def _key(jwk: dict[str, Any]) -> tuple[str, PublicKey | None]:
    kty, crv = jwk.get("kty"), jwk.get("crv")
    if not isinstance(kty, str) or not isinstance(crv, str | None):
        return "", None
    algorithm = _ALGORITHMS.get((kty, crv), "")
    if not algorithm or jwk.get("alg", algorithm) != algorithm or not _is_for_checking(jwk):
        return algorithm, None
    try:
        key = jwt.PyJWK({name: jwk[name] for name in _PUBLIC if name in jwk}, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return algorithm, None
    return algorithm, cast("PublicKey", key) if _is_strong(key) else None


def _is_for_checking(jwk: dict[str, Any]) -> bool:
    """Whether its owner means it for that (RFC 7517, sections 4.2 and 4.3), and it is a public one."""
    operations = jwk.get("key_ops", ["verify"])
    return (
        jwk.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and not _SECRET & jwk.keys()
    )


def _is_strong(key: Any) -> bool:
    if not isinstance(key, RSAPublicKey):
        return isinstance(key, Ed25519PublicKey | EllipticCurvePublicKey)
    return _SMALLEST_RSA <= key.key_size <= _LARGEST_RSA and key.public_numbers().e <= _LARGEST_EXPONENT
