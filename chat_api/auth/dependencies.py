"""What routes ask for to know who is asking."""

from typing import Annotated, Final, TypeAlias, cast

from fastapi import Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from structlog.contextvars import bind_contextvars

from chat_api.auth.accounts import Accounts
from chat_api.auth.errors import LoginNeeded, NotAdmin, NotSignedIn, NotYourPath
from kit.access import Door
from kit.postgres import Db
from kit.tokens import Identity

__all__ = [
    "Account",
    "Admin",
    "Caller",
    "Database",
    "Keeping",
    "NotAdmin",
    "PathOwner",
    "StreamCaller",
    "admin",
]

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_token = HTTPBearer(
    auto_error=False,
    scheme_name="accessToken",
    bearerFormat="JWT",
    description="The access token of a login, or of your own issuer",
)
_api_key = HTTPBearer(
    auto_error=False,
    scheme_name="apiKey",
    bearerFormat="tl_…",
    description="An API key, in the place of a token, with the scope `read` for GET and `write` for the rest",
)
_Credentials: TypeAlias = Annotated[HTTPAuthorizationCredentials | None, Depends(_token)]
_Also: TypeAlias = Annotated[HTTPAuthorizationCredentials | None, Depends(_api_key)]


async def _enter(request: Request, word: str) -> Identity:
    identity = await cast("Door", request.state.door).identify(word)
    bind_contextvars(user_id=str(identity.owner))
    identity.require("read" if request.method in _READING else "write")
    return identity


async def _caller(request: Request, credentials: _Credentials, _: _Also) -> Identity:
    if credentials is None:
        raise NotSignedIn("Send a bearer token.")
    return await _enter(request, credentials.credentials)


Caller: TypeAlias = Annotated[Identity, Depends(_caller)]
"""The person that the request's token or API key speaks for."""


async def _account(caller: Caller) -> Identity:
    if caller.key_id is not None:
        raise LoginNeeded
    return caller


Account: TypeAlias = Annotated[Identity, Depends(_account)]
"""The caller, by a token: what an API key gives must not be more than the key."""


async def admin(caller: Caller) -> Identity:
    """Let only admins through."""
    if not caller.is_admin:
        raise NotAdmin("Only an admin may do that.")
    return caller


Admin: TypeAlias = Annotated[Identity, Depends(admin)]
"""The caller, whose token says that they are an admin."""


async def _stream_caller(
    request: Request,
    credentials: _Credentials,
    also: _Also,
    access_token: Annotated[
        str | None, Query(description="The token, for a browser's EventSource, which cannot send headers")
    ] = None,
) -> Identity:
    if credentials is None and access_token is not None:
        return await _enter(request, access_token)
    return await _caller(request, credentials, also)


StreamCaller: TypeAlias = Annotated[Identity, Depends(_stream_caller)]
"""The caller; the token may also be in the query (RFC 6750, section 2.3)."""


async def _path_owner(user_id: str, caller: Caller) -> Identity:
    if user_id != caller.subject:
        raise NotYourPath("The user in the path is not the one that the token speaks for.")
    return caller


PathOwner: TypeAlias = Annotated[Identity, Depends(_path_owner)]
"""The caller, whose `sub` is the `user_id` in the path."""


async def _db(request: Request) -> Db:
    return cast("Db", request.state.db)


Database: TypeAlias = Annotated[Db, Depends(_db)]


async def _accounts(request: Request) -> Accounts:
    return cast("Accounts", request.state.accounts)


Keeping: TypeAlias = Annotated[Accounts, Depends(_accounts)]
"""What accounts are kept with."""
