"""API keys: random words that stand for a person, found by their hash."""

import re
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from kit.postgres import Db
from kit.tokens import ADMIN, Identity, InvalidToken

__all__ = ["ApiKeys", "NewKey", "is_api_key", "new_key"]

_START: Final = "tl_"
_FORM: Final = re.compile(rf"{_START}[\w-]{{43}}", re.ASCII)
_SHOWN: Final = len(_START) + 8
_REMEMBERED_SECONDS: Final = 5.0
_MOST_REMEMBERED: Final = 10_000

# Who is disabled is asked of `Access`, which knows without a query.
_FIND: Final = text(
    """
    WITH found AS (
        SELECT api_keys.id, scopes, expires_at, last_used_at, issuer, subject, role, tier, timezone
        FROM api_keys JOIN users ON users.id = api_keys.user_id
        WHERE key_hash = :hash AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
    ), used AS (
        UPDATE api_keys SET last_used_at = now() FROM found
        WHERE api_keys.id = found.id
            AND (found.last_used_at IS NULL OR found.last_used_at < now() - interval '1 minute')
    )
    SELECT * FROM found
    """
)
_OVER: Final = text(
    """
    SELECT wanted.id FROM unnest(:ids) AS wanted (id)
    WHERE NOT EXISTS (
        SELECT FROM api_keys
        WHERE id = wanted.id AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
    )
    """
).bindparams(bindparam("ids", type_=ARRAY(PG_UUID(as_uuid=True))))


class NewKey(NamedTuple):
    """`prefix` is how the key begins, and `hash` what is kept of it."""

    key: str
    prefix: str
    hash: bytes


def new_key() -> NewKey:
    """256 random bits."""
    key = _START + secrets.token_urlsafe(32)
    return NewKey(key, key[:_SHOWN], _hash(key))


def is_api_key(word: str) -> bool:
    """Whether it is meant as an API key."""
    return word.startswith(_START)


def _hash(key: str) -> bytes:
    return sha256(key.encode()).digest()


@dataclass(frozen=True, slots=True)
class _Known:
    identity: Identity
    until: float


class ApiKeys:
    """Finds whom keys stand for. What was found is remembered for five seconds, or until it is forgotten."""

    def __init__(self, db: Db) -> None:
        self._db: Final = db
        self._known: dict[bytes, _Known] = {}

    async def find(self, key: str) -> Identity:
        """Raises InvalidToken for a key that is unknown, revoked or over."""
        if not _FORM.fullmatch(key):
            raise InvalidToken("The API key is not valid.")
        hash_, known = _hash(key), self._known
        found = known.get(hash_)
        if found is None or found.until < time.time():
            rows = await self._db.run(_FIND, {"hash": hash_})
            if not rows:
                raise InvalidToken("The API key is not valid.")
            found = _known(rows[0])
            if len(known) >= _MOST_REMEMBERED:
                known.clear()
            # Where all was forgotten meanwhile, this goes nowhere: it may be what was to be forgotten.
            known[hash_] = found
        return found.identity

    def forget(self) -> None:
        self._known = {}

    async def over(self, ids: Collection[UUID]) -> set[UUID]:
        """Those of the keys that are good no more."""
        return {row.id for row in await self._db.run(_OVER, {"ids": list(ids)})} if ids else set()


def _known(row: Row[Any]) -> _Known:
    until = time.time() + _REMEMBERED_SECONDS
    claims: dict[str, Any] = {
        "scope": " ".join(row.scopes),
        "roles": [ADMIN] if row.role == ADMIN and ADMIN in row.scopes else [],
        "tier": row.tier,
        "zoneinfo": row.timezone,
    }
    if row.expires_at is not None:
        claims["exp"] = int(row.expires_at.timestamp())
        until = min(until, row.expires_at.timestamp())
    return _Known(Identity(row.issuer, row.subject, claims, row.id), until)
