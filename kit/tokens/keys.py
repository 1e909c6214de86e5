"""The built-in issuer's Ed25519 keys, kept in Postgres so that every replica signs and checks alike."""

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from kit.postgres import Db
from kit.postgres.tables import Table, now, timestamp

__all__ = ["BUILT_IN_ISSUER", "LONGEST_LIFETIME", "KeyRing", "SigningKey", "load_keys", "rotate_keys"]

BUILT_IN_ISSUER: Final = "turnlog"
LONGEST_LIFETIME: Final = timedelta(days=30)
"""No token of the built-in issuer is good for longer."""
_LOCK: Final = 0x7475726E6B6579  # "turnkey"
_READ_AGAIN: Final = 2.0


class SigningKey(Table, table=True):
    """Accepted from the start until `retired_at`; the newest one whose `signs_from` has come signs."""

    __tablename__: ClassVar[str] = "signing_keys"

    private_key: bytes
    created_at: datetime = timestamp()
    signs_from: datetime = timestamp()
    retired_at: datetime | None = timestamp(default=False, nullable=True)


@dataclass(frozen=True, slots=True)
class _Key:
    kid: str
    private: Ed25519PrivateKey
    signs_from: datetime


class KeyRing:
    """The key that signs, its id, and the public keys that are accepted, by id; as the database had them."""

    def __init__(self, db: Db) -> None:
        self._db: Final = db
        self._keys: Sequence[_Key] = ()
        self._reading: Final = asyncio.Lock()
        self._read_at = float("-inf")
        self.public: Mapping[str, Ed25519PublicKey] = {}

    @property
    def kid(self) -> str:
        return self._signing.kid

    @property
    def private(self) -> Ed25519PrivateKey:
        return self._signing.private

    @property
    def _signing(self) -> _Key:
        at = now()
        # Before the first one's time has come, by a clock that is late, it signs all the same.
        return next((key for key in reversed(self._keys) if key.signs_from <= at), self._keys[0])

    def jwks(self) -> dict[str, Any]:
        """The public keys as a JWK set (RFC 7517, RFC 8037)."""
        return {"keys": [_jwk(kid, key) for kid, key in self.public.items()]}

    async def read(self) -> None:
        """Read the keys; make the first one where there is none."""
        async with self._db.begin() as session:
            rows = await _accepted(session)
            if not rows:
                await _lock(session)
                rows = await _accepted(session)
            if not rows:
                rows = [SigningKey(private_key=_raw(Ed25519PrivateKey.generate()))]
                session.add_all(rows)
        self._read_at = asyncio.get_running_loop().time()
        if [(str(row.id), row.signs_from) for row in rows] != [
            (key.kid, key.signs_from) for key in self._keys
        ]:
            self._keys = [
                _Key(str(row.id), Ed25519PrivateKey.from_private_bytes(row.private_key), row.signs_from)
                for row in rows
            ]
            self.public = {key.kid: key.private.public_key() for key in self._keys}

    async def renew(self) -> None:
        """Read the keys again, unless that was done a moment ago."""
        async with self._reading:
            if asyncio.get_running_loop().time() - self._read_at > _READ_AGAIN:
                await self.read()


async def load_keys(db: Db) -> KeyRing:
    """The signing keys; the first one is made where there is none."""
    ring = KeyRing(db)
    await ring.read()
    return ring


async def rotate_keys(session: AsyncSession, *, overlap: timedelta) -> SigningKey:
    """Add a key, which signs after `overlap`. Those before it are accepted until their tokens are over.

    Without `overlap` nothing that they have signed is accepted from now on.
    """
    await _lock(session)
    at = now()
    new = SigningKey(private_key=_raw(Ed25519PrivateKey.generate()), signs_from=at + overlap)
    retired_at = new.signs_from + LONGEST_LIFETIME if overlap else at
    for row in await _accepted(session):
        row.retired_at = min(filter(None, (row.retired_at, retired_at)))
    session.add(new)
    return new


async def _lock(session: AsyncSession) -> None:
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


async def _accepted(session: AsyncSession) -> list[SigningKey]:
    retired_at = col(SigningKey.retired_at)
    found = select(SigningKey).where(retired_at.is_(None) | (retired_at > now()))
    return list(await session.scalars(found.order_by(col(SigningKey.signs_from), col(SigningKey.id))))


def _raw(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())


def _jwk(kid: str, key: Ed25519PublicKey) -> dict[str, str]:
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    x = urlsafe_b64encode(raw).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": x}
