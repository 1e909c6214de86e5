"""API keys: what people give to programs in the place of a token."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from chat_api.auth import sessions
from chat_api.auth.errors import ApiKeyNotFound, NotAdmin, TooManyApiKeys
from chat_api.auth.models import ApiKey, User
from chat_api.auth.scopes import Scope
from chat_api.auth.service import meet
from kit.access import Access, AccountDisabled, new_key, tell
from kit.postgres import Db
from kit.postgres.tables import now
from kit.tokens import ADMIN, Identity

__all__ = ["create", "list_keys", "revoke", "revoke_all"]

_MOST: Final = 50


async def create(
    db: Db, identity: Identity, name: str, scopes: Sequence[Scope], expires_at: datetime | None
) -> tuple[ApiKey, str]:
    """A key of the person's, and what is kept of it.

    Raises SessionOver, AccountDisabled, NotAdmin, TooManyApiKeys.
    """
    made = new_key()
    async with db.begin() as session:
        await meet(session, identity)
        # One after the other, so that no two take the last place.
        user = await session.get_one(User, identity.owner, with_for_update={"key_share": True})
        # What revokes all keys waits for the same row, or has ended before.
        await sessions.check_going_on(session, identity)
        if user.disabled_at is not None:
            raise AccountDisabled
        if ADMIN in scopes and not (identity.is_admin and user.role == ADMIN):
            raise NotAdmin("Only an admin with an account here may make a key with the scope admin.")
        if len(await _of(session, identity.owner)) >= _MOST:
            raise TooManyApiKeys(_MOST)
        kept = ApiKey(
            user_id=identity.owner,
            name=name,
            prefix=made.prefix,
            key_hash=made.hash,
            scopes=sorted(set(scopes)),
            expires_at=expires_at,
        )
        session.add(kept)
    return kept, made.key


async def list_keys(db: Db, owner: UUID) -> list[ApiKey]:
    """One's own keys that are good, the newest first."""
    async with db() as session:
        return await _of(session, owner)


async def _of(session: AsyncSession, owner: UUID) -> list[ApiKey]:
    expires_at = col(ApiKey.expires_at)
    good = col(ApiKey.revoked_at).is_(None) & (expires_at.is_(None) | (expires_at > now()))
    found = select(ApiKey).where(col(ApiKey.user_id) == owner, good).order_by(col(ApiKey.id).desc())
    return list(await session.scalars(found))


async def revoke(db: Db, access: Access, owner: UUID, key_id: UUID) -> None:
    """Have a key of one's own good no more, and what it has open end. Raises ApiKeyNotFound."""
    async with db.begin() as session:
        kept = await session.get(ApiKey, key_id)
        if kept is None or kept.user_id != owner or kept.revoked_at is not None:
            raise ApiKeyNotFound
        kept.revoked_at = now()
        await tell(session)
    await access.look()


async def revoke_all(session: AsyncSession, owner: UUID) -> None:
    """Have all keys of somebody's good no more. What they have open ends once this is committed and told."""
    theirs = update(ApiKey).where(col(ApiKey.user_id) == owner, col(ApiKey.revoked_at).is_(None))
    await session.execute(theirs.values(revoked_at=now()))
    await tell(session)
