"""What admins do about people: `by` has to be an admin still, and their login has to go on."""

import secrets
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import or_, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from chat_api.auth import api_keys, passwords, sessions
from chat_api.auth.accounts import Accounts, create, replace_password
from chat_api.auth.errors import LastAdmin, LoginNeeded, NotAdmin, OutsideUser, UserNotFound
from chat_api.auth.models import Role, Tier, User
from chat_api.auth.system import NOBODY
from kit.access import AccountDisabled, tell
from kit.postgres import Db
from kit.postgres.tables import now
from kit.tokens import ADMIN, Identity

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


async def _locked(session: AsyncSession, user_id: UUID, by: Identity | None) -> User:
    """The user, who stays as they are until the end; and so does `by`.

    Raises UserNotFound, and what `_check` does.
    """
    both = [user_id] if by is None else [user_id, by.owner]
    # In one order, so that two who do something to one another do not wait for each other.
    wanted = select(User).where(col(User.id).in_(both)).order_by(col(User.id))
    found = {user.id: user for user in await session.scalars(wanted.with_for_update(key_share=True))}
    if by is not None:
        await _check(session, by, found.get(by.owner))
    if user_id not in found:
        raise UserNotFound
    return found[user_id]


async def _check(session: AsyncSession, by: Identity, actor: User | None) -> None:
    """A token says for ten minutes what its person was. Raises SessionOver, AccountDisabled, NotAdmin."""
    await sessions.check_going_on(session, by)
    if actor is not None and actor.disabled_at is not None:
        raise AccountDisabled
    if actor is not None and actor.email is not None and actor.role != ADMIN:
        raise NotAdmin("You are no admin any more.")


def _check_role(by: Identity) -> None:
    """What an API key gives must not be more than the key. Raises LoginNeeded."""
    if by.key_id is not None:
        raise LoginNeeded


async def add(
    accounts: Accounts, by: Identity, email: str, password: str | None, *, name: str | None, role: Role
) -> tuple[User, str | None]:
    """Make an account; without a `password`, with one for a day, which is returned.

    Raises EmailTaken, WeakPassword, LoginBusy, LoginNeeded for an admin's.
    """
    if role == ADMIN:
        _check_role(by)
    temporary = None if password else secrets.token_urlsafe(12)
    kept = await accounts.hasher.derive(passwords.accept(password or temporary or "", email))
    until = now() + _TEMPORARY if temporary else None
    async with accounts.db.begin() as session:
        await _check(session, by, await session.get(User, by.owner, with_for_update={"key_share": True}))
        user = await create(session, email, kept, name=name, role=role, password_expires_at=until)
    return user, temporary


async def disable(accounts: Accounts, user_id: UUID, by: Identity) -> User:
    """Have the user out at once: their logins, API keys, what they have open, and their turns end.

    Safe to repeat. Raises UserNotFound, LastAdmin.
    """
    user, _ = await put_out(accounts, user_id, by)
    return user


async def put_out(accounts: Accounts, user_id: UUID, by: Identity | None) -> tuple[User, bool]:
    """Disable the user, who does it themselves where there is no `by`; return whether they were in.

    Raises UserNotFound, LastAdmin.
    """
    async with accounts.db.begin() as session:
        user = await _locked(session, user_id, by)
        was_in = user.disabled_at is None
        await _keep_an_admin(session, user)
        user.disabled_at = user.disabled_at or now()
        await session.flush()
        await sessions.end_all(session, user.id)
        await api_keys.revoke_all(session, user.id)
        await tell(session)
    await accounts.access.look()
    await accounts.stop_turns(user.id)
    return user, was_in


async def enable(accounts: Accounts, user_id: UUID, by: Identity) -> User:
    """Let the user in again, without what they had to come in with. Raises UserNotFound."""
    async with accounts.db.begin() as session:
        user = await _locked(session, user_id, by)
        user.disabled_at = None
        # Whoever disabled them by hand, or before this was done then, has left them.
        await api_keys.revoke_all(session, user.id)
        await tell(session)
    await accounts.access.look()
    return user


async def assign(
    accounts: Accounts, user_id: UUID, by: Identity, *, role: Role | None, tier: Tier | None
) -> User:
    """Change what the user may do; their tokens say so when they are next made, in ten minutes at most.

    Raises UserNotFound, LastAdmin, LoginNeeded for a role, and OutsideUser where another issuer says who is
    an admin.
    """
    if role is not None:
        _check_role(by)
    async with accounts.db.begin() as session:
        user = await _locked(session, user_id, by)
        if role is not None and role != user.role:
            if user.email is None:
                raise OutsideUser
            await _keep_an_admin(session, user)
            user.role = role
        user.tier = tier or user.tier
        await tell(session)
    await accounts.access.look()
    return user


async def reset_password(accounts: Accounts, user_id: UUID, by: Identity, password: str | None) -> str | None:
    """Give the user another password, and end their logins and API keys.

    Without a `password`, it is one for a day, which is returned.

    Raises UserNotFound, OutsideUser, WeakPassword, LoginBusy.
    """
    user = await find(accounts.db, user_id)
    if user.email is None:
        raise OutsideUser
    temporary = None if password else secrets.token_urlsafe(12)
    kept = await accounts.hasher.derive(passwords.accept(password or temporary or "", user.email))
    async with accounts.db.begin() as session:
        user = await _locked(session, user_id, by)
        lifetime = _TEMPORARY if temporary else None
        await replace_password(session, user, kept, revoke_keys=True, lifetime=lifetime)
    await accounts.access.look()
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
