"""The built-in issuer's Ed25519 keys, kept in Postgres so that every replica signs and checks alike."""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from sqlalchemy import select, text
from sqlmodel import col

from kit.postgres import Db
from kit.postgres.tables import Table, timestamp

__all__ = ["BUILT_IN_ISSUER", "KeyRing", "SigningKey", "load_keys"]

BUILT_IN_ISSUER: Final = "turnlog"
_LOCK: Final = 0x7475726E6B6579  # "turnkey"


class SigningKey(Table, table=True):
    __tablename__: ClassVar[str] = "signing_keys"

    private_key: bytes
    created_at: datetime = timestamp()


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The key that signs, its id, and the public keys that are accepted, by id."""

    kid: str
    private: Ed25519PrivateKey
    public: Mapping[str, Ed25519PublicKey]

    def jwks(self) -> dict[str, Any]:
        """The public keys as a JWK set (RFC 7517, RFC 8037)."""
        return {"keys": [_jwk(kid, key) for kid, key in self.public.items()]}


async def load_keys(db: Db) -> KeyRing:
    """Read the signing keys; make the first one where there is none."""
    async with db.begin() as session:
        await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        rows = list(await session.scalars(select(SigningKey).order_by(col(SigningKey.created_at))))
        if not rows:
            rows = [SigningKey(private_key=_raw(Ed25519PrivateKey.generate()))]
            session.add_all(rows)
    keys = {str(row.id): Ed25519PrivateKey.from_private_bytes(row.private_key) for row in rows}
    newest = str(rows[-1].id)
    return KeyRing(newest, keys[newest], {kid: key.public_key() for kid, key in keys.items()})


def _raw(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())


def _jwk(kid: str, key: Ed25519PublicKey) -> dict[str, str]:
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    x = urlsafe_b64encode(raw).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": x}
