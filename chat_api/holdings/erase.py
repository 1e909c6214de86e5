"""Erasing somebody, with all that they have."""

import asyncio
import time
from datetime import timedelta
from typing import Final, NoReturn
from uuid import UUID

import structlog
from sqlalchemy import bindparam, delete, insert, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlmodel import col

from chat_api.auth import users
from chat_api.auth.accounts import of
from chat_api.auth.errors import FreshTokenNeeded, StillShared, UserNotFound, WrongCredentials
from chat_api.auth.models import ErasedUser, User
from chat_api.auth.service import meet
from chat_api.auth.system import SYSTEM
from chat_api.holdings.holdings import Holdings, RemoveFiles
from chat_api.holdings.tree import loose, makers
from chat_api.runs.erasing import stop
from chat_api.runs.models import FINAL, Run
from kit.access import tell
from kit.postgres import Db
from kit.postgres.errors import AWAY
from kit.tokens import Identity

__all__ = ["erase", "leave", "sweep", "sweep_forever"]

_FRESH_SECONDS: Final = 300
_SWEEP_EVERY: Final = 60.0
# What somebody from outside has from later on is theirs who came again.
_LATE: Final = timedelta(seconds=10)
# Access tokens cannot be taken back: for as long as one may be good, its person stays out.
_REMEMBER: Final = text(
    """
    INSERT INTO erased_users (id, erased_at, outside) VALUES (:id, now(), :outside)
    ON CONFLICT (id) DO UPDATE SET erased_at = now()
    """
)
_FORGET: Final = text(
    "DELETE FROM erased_users WHERE erased_at < now() - interval '1 hour' AND NOT (id = ANY(:kept))"
).bindparams(bindparam("kept", type_=ARRAY(PG_UUID(as_uuid=True))))
# What everybody may use goes with whose it is.
_SHARED: Final = text(
    """
    SELECT 'provider' AS kind, name FROM provider_configs WHERE user_id = :user_id AND shared
    UNION ALL
    SELECT 'mcp_server', name FROM mcp_servers WHERE user_id = :user_id AND shared
    UNION ALL
    SELECT 'agent', name FROM agents WHERE user_id = :user_id AND everyone IS NOT NULL
    ORDER BY kind, name LIMIT 100
    """
)
_RATES: Final = text("DELETE FROM rate_limits WHERE key LIKE :ends")
_log = structlog.get_logger(__name__)


async def leave(holdings: Holdings, identity: Identity, password: str | None) -> None:
    """Erase the caller: who has a password must send it, who has none a token of the last five minutes.

    Raises WrongCredentials, FreshTokenNeeded, LoginBusy, StillShared, LastAdmin.
    """
    user = await of(holdings.db, identity)
    if user.password_hash is not None:
        if not await holdings.accounts.hasher.matches(password or "", user.password_hash):
            raise WrongCredentials("The password is not right.")
    elif int(identity.claims["iat"]) < time.time() - _FRESH_SECONDS:
        raise FreshTokenNeeded
    async with holdings.db.begin() as session:
        await meet(session, identity)
    await erase(holdings, identity.owner, None)


async def erase(holdings: Holdings, user_id: UUID, by: Identity | None) -> bool:
    """Have the person out everywhere, end their turns, and delete what they have. Safe to repeat.

    Return whether they stay disabled: another issuer would vouch for them again. Without `by` they do it
    themselves.

    Raises UserNotFound, StillShared, LastAdmin, and NotAdmin where `by` is none any more.
    """
    if user_id == SYSTEM:
        raise UserNotFound
    shared = await holdings.db.run(_SHARED, {"user_id": user_id})
    if shared:
        raise StillShared([(row.kind, row.name) for row in shared])
    try:
        user, was_in = await users.put_out(holdings.accounts, user_id, by)
    except UserNotFound:
        # It may have been cut short when only files were left.
        await _remove_files(holdings, user_id)
        raise
    await _end_runs(holdings, user_id)
    await _remove_files(holdings, user_id)
    stays = user.email is None and not was_in
    await _delete(holdings, user, stays=stays)
    await _remove_files(holdings, user_id)
    await holdings.accounts.access.look()
    _log.info("user_erased")
    return stays


async def _end_runs(holdings: Holdings, user_id: UUID) -> None:
    live = select(col(Run.id)).where(col(Run.user_id) == user_id, col(Run.status).not_in(FINAL))
    async with holdings.db() as session:
        found = list(await session.scalars(live))
    await stop(holdings.worker, user_id, found)


async def _remove_files(holdings: Holdings, user_id: UUID) -> None:
    try:
        await asyncio.to_thread(holdings.remove_files, user_id)
    except OSError:
        # A call that was under way has written one, or somebody else removes them.
        await asyncio.to_thread(holdings.remove_files, user_id)


async def _delete(holdings: Holdings, user: User, *, stays: bool) -> None:
    async with holdings.db.begin() as session:
        for branch in loose():
            await session.execute(delete(branch.table).where(branch.column == user.id))
        for column in makers():
            await session.execute(update(column.table).where(column == user.id).values({column.name: None}))
        await session.execute(_RATES, {"ends": f"%{user.id.hex}%"})
        await session.execute(_REMEMBER, {"id": user.id, "outside": user.email is None})
        await session.execute(delete(User).where(col(User.id) == user.id))
        if stays:
            kept = {"id", "issuer", "subject", "created_at", "disabled_at"}
            await session.execute(insert(User).values(user.model_dump(include=kept)))
        await tell(session)


async def sweep(db: Db, remove_files: RemoveFiles) -> None:
    """Delete what a request that was under way has written for somebody after they were erased.

    Whose files cannot be removed is remembered until they can.
    """
    async with db() as session:
        found = list(await session.scalars(select(ErasedUser)))
    kept = [user.id for user in found if not await asyncio.to_thread(_removed, remove_files, user)]
    outside = col(ErasedUser.outside)
    erased = select(col(ErasedUser.id)).where(~outside)
    late = col(ErasedUser.erased_at) + _LATE
    async with db.begin() as session:
        for branch in loose():
            table, column = branch.table, branch.column
            await session.execute(delete(table).where(column.in_(erased)))
            theirs = outside & (column == col(ErasedUser.id)) & (table.c.created_at < late)
            await session.execute(delete(table).where(theirs))
        await session.execute(delete(User).where(col(User.id).in_(erased)))
        await session.execute(_FORGET, {"kept": kept})


def _removed(remove_files: RemoveFiles, user: ErasedUser) -> bool:
    before = (user.erased_at + _LATE).timestamp() if user.outside else None
    try:
        remove_files(user.id, before)
    except OSError as error:
        _log.warning("files_left", reason=type(error).__name__)
        return False
    return True


async def sweep_forever(db: Db, remove_files: RemoveFiles) -> NoReturn:
    while True:
        await asyncio.sleep(_SWEEP_EVERY)
        try:
            await sweep(db, remove_files)
        except AWAY as error:
            _log.warning("nothing_swept", reason=type(error).__name__)
