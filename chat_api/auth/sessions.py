"""Logins: access tokens of ten minutes, and refresh tokens that are good once.

A session has a generation. A refresh token of that generation is good; using it begins the next one. The
token that the generation follows from is good for a few seconds more, for whoever did not get the answer, or
asked twice at once. Any other use is that of a copy, and ends the session. All of it is decided under a lock
of the session's row.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from chat_api.auth.errors import SessionOver
from chat_api.auth.models import LoginSession, RefreshToken, User
from kit.postgres import Db
from kit.postgres.tables import now
from kit.tokens import ADMIN, Identity, KeyRing, mint

__all__ = [
    "ACCESS_LIFETIME",
    "Granted",
    "begin",
    "check_going_on",
    "end",
    "end_all",
    "refresh",
    "refreshable",
]

ACCESS_LIFETIME: Final = timedelta(minutes=10)
_LONGEST_PAUSE: Final = timedelta(days=30)
_LONGEST: Final = timedelta(days=90)
_GRACE: Final = timedelta(seconds=10)
_START: Final = "tlr_"


@dataclass(frozen=True, slots=True)
class Granted:
    """What a login gives."""

    user: User
    access_token: str
    refresh_token: str
    refresh_seconds: int


async def begin(session: AsyncSession, keys: KeyRing, audience: str, user: User) -> Granted:
    """Log the user in."""
    await _forget_old(session, user.id)
    login = LoginSession(user_id=user.id, generation=0, ends_at=now() + _LONGEST)
    session.add(login)
    await session.flush()
    return await _grant(session, keys, audience, user, login)


async def refreshable(db: Db, word: str) -> UUID | None:
    """The login that this refresh token may be good for.

    None for a token of before: whoever uses it often must not keep the login from being ended for it.
    """
    newest = col(RefreshToken.generation) == col(LoginSession.generation)
    wanted = (
        select(col(LoginSession.id))
        .join(RefreshToken, col(RefreshToken.session_id) == col(LoginSession.id))
        .where(
            col(RefreshToken.token_hash) == _hash(word),
            col(LoginSession.ended_at).is_(None),
            or_(newest, col(RefreshToken.id) == col(LoginSession.parent_id)),
        )
    )
    async with db() as session:
        return await session.scalar(wanted)


async def refresh(db: Db, keys: KeyRing, audience: str, word: str) -> Granted:
    """Other tokens for a refresh token. Raises SessionOver, and ends the session of one that was used."""
    async with db.begin() as session:
        granted = await _refresh(session, keys, audience, word)
    if granted is None:
        raise SessionOver
    return granted


async def _refresh(session: AsyncSession, keys: KeyRing, audience: str, word: str) -> Granted | None:
    token = await _find(session, word)
    login = None if token is None else await _locked(session, token.session_id)
    if token is None or login is None or login.ended_at is not None:
        return None
    at = now()
    if at >= min(token.expires_at, login.ends_at):
        return None
    user = await session.get(User, token.user_id)
    if user is None or user.disabled_at is not None:
        return None
    if token.generation == login.generation:
        login.generation, login.parent_id, login.rotated_at = token.generation + 1, token.id, at
    elif token.id != login.parent_id or at - login.rotated_at > _GRACE:
        login.ended_at = at
        return None
    return await _grant(session, keys, audience, user, login)


async def _grant(
    session: AsyncSession, keys: KeyRing, audience: str, user: User, login: LoginSession
) -> Granted:
    word, at = _START + secrets.token_urlsafe(32), now()
    expires_at = min(at + _LONGEST_PAUSE, login.ends_at)
    token = RefreshToken(
        user_id=user.id,
        session_id=login.id,
        generation=login.generation,
        token_hash=_hash(word),
        expires_at=expires_at,
    )
    session.add(token)
    access = mint(
        keys, subject=user.subject, audience=audience, lifetime=ACCESS_LIFETIME, claims=_claims(user, login)
    )
    return Granted(user, access, word, int((expires_at - at).total_seconds()))


def _claims(user: User, login: LoginSession) -> dict[str, Any]:
    claims: dict[str, Any] = {"sid": str(login.id), "email": user.email, "tier": user.tier}
    claims["roles"] = [ADMIN] if user.role == ADMIN else []
    if user.timezone is not None:
        claims["zoneinfo"] = user.timezone
    return claims


async def end(db: Db, word: str) -> None:
    """Log out: end the session of a refresh token, if it is one."""
    async with db.begin() as session:
        token = await _find(session, word)
        if token is not None:
            await _end(session, col(LoginSession.id) == token.session_id)


async def end_all(session: AsyncSession, user_id: UUID, *, but: object = None) -> None:
    """End the user's sessions, except the one of the id `but`."""
    await _end(session, col(LoginSession.user_id) == user_id, but)


async def _end(session: AsyncSession, which: Any, but: object = None) -> None:
    wanted = select(LoginSession).where(which, col(LoginSession.ended_at).is_(None))
    # In one order, so that two of these do not wait for one another.
    for login in await session.scalars(wanted.order_by(col(LoginSession.id)).with_for_update(key_share=True)):
        if str(login.id) != but:
            login.ended_at = now()


async def check_going_on(session: AsyncSession, identity: Identity) -> None:
    """For what outlasts an access token, which is good until it expires. Raises SessionOver.

    Tokens of other issuers go on: a `sid` of theirs is that of no login here.
    """
    try:
        login_id = UUID(str(identity.claims.get("sid")))
    except ValueError:
        return
    login = await session.get(LoginSession, login_id, populate_existing=True)
    if login is not None and login.user_id == identity.owner and login.ended_at is not None:
        raise SessionOver


async def _find(session: AsyncSession, word: str) -> RefreshToken | None:
    return await session.scalar(select(RefreshToken).where(col(RefreshToken.token_hash) == _hash(word)))


async def _locked(session: AsyncSession, session_id: UUID) -> LoginSession | None:
    wanted = select(LoginSession).where(col(LoginSession.id) == session_id)
    return await session.scalar(wanted.with_for_update(key_share=True))


async def _forget_old(session: AsyncSession, user_id: UUID) -> None:
    over = or_(col(LoginSession.ends_at) < now(), col(LoginSession.ended_at) < now() - _LONGEST_PAUSE)
    await session.execute(delete(LoginSession).where(col(LoginSession.user_id) == user_id, over))
    await session.execute(
        delete(RefreshToken).where(col(RefreshToken.user_id) == user_id, col(RefreshToken.expires_at) < now())
    )


def _hash(word: str) -> bytes:
    return sha256(word.encode()).digest()
