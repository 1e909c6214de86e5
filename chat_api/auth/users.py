"""What admins do about people."""

import secrets
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import or_, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from chat_api.auth import passwords, sessions
from chat_api.auth.accounts import Accounts, create, replace_password
from chat_api.auth.errors import LastAdmin, OutsideUser, UserNotFound
from chat_api.auth.models import Role, Tier, User
from chat_api.auth.system import NOBODY
from kit.access import tell
from kit.postgres import Db
from kit.postgres.tables import now
from kit.tokens import ADMIN

__all__ = ["add", "assign", "disable", "enable", "find", "list_users", "put_out", "reset_password"]

_LOCK: Final = 0x7475726E61646D  # "turnadm"
_TEMPORARY: Final = timedelta(hours=24)


async def list_users(
    db: Db, prefix: str | None, *, after: UUID | None, limit: int
) -> tuple[list[User], UUID | None]:
    """The newest users first, whose e-mail address or subject begins so; and where to go on."""
    created_at, id_ = col(User.created_at), col(User.id)
    somebody = col(User.subject) != NOBODY
    found = select(User).where(somebody).order_by(created_at.desc(), id_.desc()).limit(limit + 1)
    if prefix:
        by_email = col(User.email).startswith(prefix.lower(), autoescape=True)
        found = found.where(or_(by_email, col(User.subject).startswith(prefix, autoescape=True)))
    if after is not None:
        last = select(created_at, id_).where(id_ == after).scalar_subquery()
        found = found.where(tuple_(created_at, id_) < last)
    async with db() as session:
        users = list(await session.scalars(found))
    return users[:limit], users[limit - 1].id if len(users) > limit else None


async def find(db: Db, user_id: UUID) -> User:
    """Raises UserNotFound."""
    async with db() as session:
        user = await session.get(User, user_id)
    if user is None:
        raise UserNotFound
    return user


async def _locked(session: AsyncSession, user_id: UUID) -> User:
    wanted = select(User).where(col(User.id) == user_id).with_for_update(key_share=True)
    user = await session.scalar(wanted)
    if user is None:
        raise UserNotFound
    return user


async def add(
    accounts: Accounts, email: str, password: str | None, *, name: str | None, role: Role
) -> tuple[User, str | None]:
    """Make an account; without a `password`, with one for a day, which is returned.

    Raises EmailTaken, WeakPassword, LoginBusy.
    """
    temporary = None if password else secrets.token_urlsafe(12)
    kept = await accounts.hasher.derive(passwords.accept(password or temporary or "", email))
    until = now() + _TEMPORARY if temporary else None
    async with accounts.db.begin() as session:
        user = await create(session, email, kept, name=name, role=role, password_expires_at=until)
    return user, temporary


async def disable(accounts: Accounts, user_id: UUID) -> User:
    """Have the user out at once: their logins, what they have open, and their turns end.

    Safe to repeat. Raises UserNotFound, LastAdmin.
    """
    user, _ = await put_out(accounts, user_id)
    return user


async def put_out(accounts: Accounts, user_id: UUID) -> tuple[User, bool]:
    """Disable the user; return whether they were in. Raises UserNotFound, LastAdmin."""
    async with accounts.db.begin() as session:
        user = await _locked(session, user_id)
        was_in = user.disabled_at is None
        await _keep_an_admin(session, user)
        user.disabled_at = user.disabled_at or now()
        await session.flush()
        await sessions.end_all(session, user.id)
        await tell(session)
    await accounts.access.look()
    await accounts.stop_turns(user.id)
    return user, was_in


async def enable(accounts: Accounts, user_id: UUID) -> User:
    """Let the user in again. Raises UserNotFound."""
    async with accounts.db.begin() as session:
        user = await _locked(session, user_id)
        user.disabled_at = None
        await tell(session)
    await accounts.access.look()
    return user


async def assign(accounts: Accounts, user_id: UUID, *, role: Role | None, tier: Tier | None) -> User:
    """Change what the user may do; their tokens say so when they are next made, in ten minutes at most.

    Raises UserNotFound, LastAdmin, and OutsideUser where another issuer says who is an admin.
    """
    async with accounts.db.begin() as session:
        user = await _locked(session, user_id)
        if role is not None and role != user.role:
            if user.email is None:
                raise OutsideUser
            await _keep_an_admin(session, user)
            user.role = role
        user.tier = tier or user.tier
        await tell(session)
    await accounts.access.look()
    return user


async def reset_password(accounts: Accounts, user_id: UUID, password: str | None) -> str | None:
    """Give the user another password, and end their logins; without one, one for a day, which is returned.

    Raises UserNotFound, OutsideUser, WeakPassword, LoginBusy.
    """
    user = await find(accounts.db, user_id)
    if user.email is None:
        raise OutsideUser
    temporary = None if password else secrets.token_urlsafe(12)
    kept = await accounts.hasher.derive(passwords.accept(password or temporary or "", user.email))
    async with accounts.db.begin() as session:
        user = await _locked(session, user_id)
        await replace_password(session, user, kept, lifetime=_TEMPORARY if temporary else None)
    return temporary


async def _keep_an_admin(session: AsyncSession, user: User) -> None:
    """Raise LastAdmin where nobody else could undo what is done to this one."""
    if user.role != ADMIN or user.disabled_at is not None:
        return
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    others = select(col(User.id)).where(
        col(User.role) == ADMIN, col(User.disabled_at).is_(None), col(User.id) != user.id
    )
    if await session.scalar(others.limit(1)) is None:
        raise LastAdmin
