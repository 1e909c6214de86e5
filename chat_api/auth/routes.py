"""Accounts: registering, logging in and out; and the public keys of the built-in issuer."""

from http import HTTPStatus
from typing import Any, Final, cast

from fastapi import APIRouter, Depends, Request, Response

from chat_api.auth import accounts, sessions
from chat_api.auth.dependencies import Account, Caller, Keeping
from chat_api.auth.guesses import guessing, logging_in
from chat_api.auth.limits import for_logins, for_refreshing, for_resources
from chat_api.auth.schemas import (
    AccountChange,
    Credentials,
    Done,
    Login,
    NewAccount,
    PasswordChange,
    RefreshRequest,
    UserOut,
)
from kit.tokens import ADMIN, Verifier

router = APIRouter(tags=["auth"])

_AUTH: Final = "/api/v1/auth"
# What takes a password; a refresh token cannot be guessed.
_LIMITED: Final = [Depends(for_logins)]
_COUNTED: Final = [Depends(for_resources)]


@router.get("/.well-known/jwks.json")
async def jwks(request: Request, response: Response) -> dict[str, Any]:
    """The keys that sign the built-in issuer's tokens (RFC 7517)."""
    # Less than a new key is published before it signs.
    response.headers["Cache-Control"] = "public, max-age=300"
    return cast("Verifier", request.state.verifier).keys.jwks()


@router.post(f"{_AUTH}/register", status_code=HTTPStatus.ACCEPTED, dependencies=_LIMITED)
async def register(keeping: Keeping, body: NewAccount) -> Done:
    """Make an account; then log in. The first one is an admin's.

    The answer is the same where there is an account with this e-mail address.
    """
    await accounts.register(keeping, body.email, body.password, body.name)
    return Done(message="You can log in now, if this e-mail address had no account yet.")


@router.post(f"{_AUTH}/login", dependencies=_LIMITED)
async def login(request: Request, keeping: Keeping, body: Credentials, response: Response) -> Login:
    """Log in. The access token is good for ten minutes, the refresh token for the next ones."""
    _not_kept(response)
    async with logging_in(request, body.email) as welcome:
        granted = await accounts.login(keeping, body.email, body.password)
        await welcome(granted.user.id)
    return Login.of(granted)


@router.post(f"{_AUTH}/refresh")
async def refresh(request: Request, keeping: Keeping, body: RefreshRequest, response: Response) -> Login:
    """Get other tokens for a refresh token, which is good once. One that was used before ends the login."""
    _not_kept(response)
    await for_refreshing(request, await sessions.refreshable(keeping.db, body.refresh_token))
    keys = keeping.access.keys
    return Login.of(await sessions.refresh(keeping.db, keys, keeping.audience, body.refresh_token))


def _not_kept(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"


@router.post(f"{_AUTH}/logout")
async def logout(keeping: Keeping, body: RefreshRequest) -> Done:
    """End the login that a refresh token is of. Access tokens are good until they expire."""
    await sessions.end(keeping.db, body.refresh_token)
    return Done(message="You are logged out.")


@router.post(f"{_AUTH}/logout-all", dependencies=_COUNTED)
async def logout_all(keeping: Keeping, caller: Account) -> Done:
    """End all of one's logins."""
    async with keeping.db.begin() as session:
        await sessions.end_all(session, caller.owner)
    return Done(message="You are logged out everywhere.")


@router.get(f"{_AUTH}/me", dependencies=_COUNTED)
async def me(keeping: Keeping, caller: Caller) -> UserOut:
    """Who one is here; of people of other issuers, the role is what their token says."""
    found = UserOut.of(await accounts.of(keeping.db, caller))
    return found.model_copy(update={"role": ADMIN}) if found.email is None and caller.is_admin else found


@router.patch(f"{_AUTH}/me", dependencies=_COUNTED)
async def change_me(keeping: Keeping, caller: Account, body: AccountChange) -> UserOut:
    """Change one's name or time zone; tokens tell of it when they are next made."""
    changes = body.model_dump(exclude_unset=True)
    return UserOut.of(await accounts.change(keeping.db, caller.owner, changes))


@router.post(f"{_AUTH}/change-password", dependencies=_LIMITED)
async def change_password(request: Request, keeping: Keeping, caller: Account, body: PasswordChange) -> Done:
    """Choose another password, which ends all other logins, and with `revoke_api_keys` all API keys."""
    current, new, keys = body.current_password, body.new_password, body.revoke_api_keys
    async with guessing(request, caller.owner):
        await accounts.change_password(keeping, caller, current, new, revoke_keys=keys)
    also = " and API keys" if keys else ""
    return Done(message=f"The password is changed; other logins{also} are over.")
