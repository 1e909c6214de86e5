"""Accounts of the built-in issuer: making them, logging in, changing what they say."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from chat_api.auth import api_keys, passwords, sessions
from chat_api.auth.errors import EmailTaken, OutsideUser, RegistrationClosed, WrongCredentials
from chat_api.auth.models import EMAIL, Role, User
from chat_api.auth.passwords import Hasher
from chat_api.auth.sessions import Granted
from kit.access import Access, AccountDisabled
from kit.ids import new_id, owner_id
from kit.postgres import Db
from kit.postgres.errors import violated
from kit.postgres.tables import now
from kit.tokens import ADMIN, Identity
from kit.tokens.keys import BUILT_IN_ISSUER

__all__ = [
    "Accounts",
    "Registration",
    "change",
    "change_password",
    "create",
    "login",
    "of",
    "register",
    "replace_password",
]

Registration: TypeAlias = Literal["first", "open", "closed"]

_LOCK: Final = 0x7475726E757372  # "turnusr"


@dataclass(frozen=True, slots=True)
class Accounts:
    """What accounts are kept with.

    `audience` is that of their access tokens; `stop_turns` has the turns of somebody stopped.
    """

    db: Db
    access: Access
    audience: str
    registration: Registration
    hasher: Hasher
    stop_turns: Callable[[UUID], Awaitable[None]]


async def register(accounts: Accounts, email: str, password: str, name: str | None) -> None:
    """Make an account, the first one an admin's. Nothing tells whether there was one of this address.

    Raises RegistrationClosed, WeakPassword, LoginBusy.
    """
    async with accounts.db() as session:
        await _check_open(session, accounts.registration)
    kept = await accounts.hasher.derive(passwords.accept(password, email))
    try:
        async with accounts.db.begin() as session:
            await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            is_first = await _check_open(session, accounts.registration)
            await create(session, email, kept, name=name, role=ADMIN if is_first else "user")
    except EmailTaken:
        pass


async def _check_open(session: AsyncSession, registration: Registration) -> bool:
    """Whether nobody has registered yet. Raises RegistrationClosed."""
    anybody = select(col(User.id)).where(col(User.email).is_not(None)).limit(1)
    is_first = await session.scalar(anybody) is None
    if registration == "closed" or (registration == "first" and not is_first):
        raise RegistrationClosed
    return is_first


async def create(
    session: AsyncSession,
    email: str,
    password_hash: str,
    *,
    name: str | None,
    role: Role,
    password_expires_at: datetime | None = None,
) -> User:
    """Add an account. Raises EmailTaken, which ends the transaction."""
    subject = str(new_id())
    user = User(
        id=owner_id(BUILT_IN_ISSUER, subject),
        issuer=BUILT_IN_ISSUER,
        subject=subject,
        email=email,
        password_hash=password_hash,
        name=name,
        role=role,
        password_expires_at=password_expires_at,
    )
    session.add(user)
    try:
        await session.flush()
    except IntegrityError as error:
        if violated(error) == EMAIL:
            raise EmailTaken from error
        raise
    return user


async def login(accounts: Accounts, email: str, password: str) -> Granted:
    """Raises WrongCredentials, AccountDisabled to who has the right password, LoginBusy."""
    async with accounts.db() as session:
        user = await session.scalar(select(User).where(col(User.email) == email))
    kept = None if user is None else user.password_hash
    matches = await accounts.hasher.matches(password, kept)
    if user is None or kept is None or not matches:
        raise WrongCredentials
    newer = await accounts.hasher.derive(password) if passwords.is_outdated(kept) else kept
    async with accounts.db.begin() as session:
        # The password may have been changed while it was compared, which ends all that follows from it.
        current = await _locked(session, user.id)
        if current.password_hash != kept or _has_passed(current.password_expires_at):
            raise WrongCredentials
        if current.disabled_at is not None:
            raise AccountDisabled
        current.password_hash = newer
        current.last_login_at = now()
        return await sessions.begin(session, accounts.access.keys, accounts.audience, current)


def _has_passed(at: datetime | None) -> bool:
    return at is not None and at <= now()


async def _locked(session: AsyncSession, user_id: UUID) -> User:
    locked = select(User).where(col(User.id) == user_id).with_for_update(key_share=True)
    user = await session.scalar(locked.execution_options(populate_existing=True))
    if user is None:
        raise WrongCredentials
    return user


async def of(db: Db, identity: Identity) -> User:
    """What is known of the person; of one who was not here before, what their token says."""
    async with db() as session:
        user = await session.get(User, identity.owner)
    return user or User(id=identity.owner, issuer=identity.issuer, subject=identity.subject)


async def change(db: Db, owner: UUID, changes: dict[str, Any]) -> User:
    """Change one's name or time zone. Raises OutsideUser."""
    async with db.begin() as session:
        user = await session.get(User, owner)
        if user is None or user.email is None:
            raise OutsideUser
        user.sqlmodel_update(changes)
    return user


async def change_password(
    accounts: Accounts, identity: Identity, current: str, new: str, *, revoke_keys: bool
) -> None:
    """End all other logins, and API keys. Raises OutsideUser, WrongCredentials, WeakPassword, LoginBusy."""
    user = await of(accounts.db, identity)
    if user.email is None or user.password_hash is None:
        raise OutsideUser
    seen, wrong = user.password_hash, WrongCredentials("The current password is not right.")
    if not await accounts.hasher.matches(current, seen):
        raise wrong
    kept = await accounts.hasher.derive(passwords.accept(new, user.email))
    async with accounts.db.begin() as session:
        user = await _locked(session, user.id)
        if user.password_hash != seen:
            raise wrong
        but = identity.claims.get("sid")
        await replace_password(session, user, kept, but=but, revoke_keys=revoke_keys)
    if revoke_keys:
        await accounts.access.look()


async def replace_password(
    session: AsyncSession,
    user: User,
    kept: str,
    *,
    revoke_keys: bool,
    but: object = None,
    lifetime: timedelta | None = None,
) -> None:
    """Give the user a password, which may be good for a time only, and end their logins but one."""
    user.password_hash = kept
    user.password_expires_at = None if lifetime is None else now() + lifetime
    await session.flush()
    await sessions.end_all(session, user.id, but=but)
    if revoke_keys:
        await api_keys.revoke_all(session, user.id)
