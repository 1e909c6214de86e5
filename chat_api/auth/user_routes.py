"""People, for admins."""

from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from chat_api.auth import users
from chat_api.auth.dependencies import Account, Caller, Keeping, admin
from chat_api.auth.schemas import (
    AddedUser,
    Assignment,
    NewUser,
    PasswordReset,
    TemporaryPassword,
    UserOut,
    UserPage,
)

router = APIRouter(prefix="/api/v1/users", tags=["users"], dependencies=[Depends(admin)])

_ONE: Final = "/{account_id}"


@router.get("")
async def list_users(
    keeping: Keeping,
    q: Annotated[
        str | None,
        Query(max_length=254, pattern=r"^[^\x00]*$", description="How the address or `sub` begins"),
    ] = None,
    cursor: Annotated[UUID | None, Query(description="`next_cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> UserPage:
    """Everybody who has been here, the newest first; those of other issuers, too."""
    found, more = await users.list_users(keeping.db, q, after=cursor, limit=limit)
    return UserPage(users=[UserOut.of(user) for user in found], next_cursor=more)


@router.post("", status_code=HTTPStatus.CREATED)
async def add_user(keeping: Keeping, caller: Caller, body: NewUser, response: Response) -> AddedUser:
    """Make an account; without a password, with one that is good for a day, and told this once.

    An API key makes no admins.
    """
    response.headers["Cache-Control"] = "no-store"
    user, temporary = await users.add(
        keeping, caller, body.email, body.password, name=body.name, role=body.role
    )
    return AddedUser(user=UserOut.of(user), temporary_password=temporary)


@router.get(_ONE)
async def get_user(keeping: Keeping, account_id: UUID) -> UserOut:
    """One person."""
    return UserOut.of(await users.find(keeping.db, account_id))


@router.patch(_ONE)
async def assign(keeping: Keeping, caller: Caller, account_id: UUID, body: Assignment) -> UserOut:
    """Set a role or tier; tokens tell of it when they are next made, in ten minutes at most.

    An API key sets no roles.
    """
    return UserOut.of(await users.assign(keeping, account_id, caller, role=body.role, tier=body.tier))


@router.post(f"{_ONE}/disable")
async def disable(keeping: Keeping, caller: Caller, account_id: UUID) -> UserOut:
    """Have somebody out at once: their logins, open streams and turns end, and their API keys are revoked.

    Safe to repeat.
    """
    return UserOut.of(await users.disable(keeping, account_id, caller))


@router.post(f"{_ONE}/enable")
async def enable(keeping: Keeping, caller: Caller, account_id: UUID) -> UserOut:
    """Let somebody in again; they log in anew, and make new API keys."""
    return UserOut.of(await users.enable(keeping, account_id, caller))


@router.post(f"{_ONE}/reset-password")
async def reset_password(
    keeping: Keeping, caller: Account, account_id: UUID, body: PasswordReset, response: Response
) -> TemporaryPassword:
    """Set a password, end all logins and revoke all API keys.

    Without a password, it is made, good for a day, and told this once.
    """
    response.headers["Cache-Control"] = "no-store"
    temporary = await users.reset_password(keeping, account_id, caller, body.password)
    return TemporaryPassword(temporary_password=temporary)
