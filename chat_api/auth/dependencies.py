"""What routes ask for to know who is asking."""

from typing import Annotated, TypeAlias, cast

from fastapi import Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from kit.errors import Problem
from kit.tokens import Identity, Verifier

__all__ = ["Admin", "Caller", "NotAdmin", "PathOwner", "StreamCaller"]

_bearer = HTTPBearer(auto_error=False, description="A JWT whose `sub` is the user")


class NotSignedIn(Problem):
    status = 401
    code = "not_signed_in"


class NotYourPath(Problem):
    status = 403
    code = "forbidden"


class NotAdmin(Problem):
    status = 403
    code = "admin_only"


async def _caller(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Identity:
    if credentials is None:
        raise NotSignedIn("Send a bearer token.")
    return cast("Verifier", request.state.verifier).verify(credentials.credentials)


Caller: TypeAlias = Annotated[Identity, Depends(_caller)]
"""The person that the request's token speaks for."""


async def _admin(caller: Caller) -> Identity:
    if not caller.is_admin:
        raise NotAdmin("Only an admin may do that.")
    return caller


Admin: TypeAlias = Annotated[Identity, Depends(_admin)]
"""The caller, whose token says that they are an admin."""


async def _stream_caller(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    access_token: Annotated[
        str | None, Query(description="The token, for a browser's EventSource, which cannot send headers")
    ] = None,
) -> Identity:
    if credentials is None and access_token is not None:
        return cast("Verifier", request.state.verifier).verify(access_token)
    return await _caller(request, credentials)


StreamCaller: TypeAlias = Annotated[Identity, Depends(_stream_caller)]
"""The caller; the token may also be in the query (RFC 6750, section 2.3)."""


async def _path_owner(user_id: str, caller: Caller) -> Identity:
    if user_id != caller.subject:
        raise NotYourPath("The user in the path is not the one that the token speaks for.")
    return caller


PathOwner: TypeAlias = Annotated[Identity, Depends(_path_owner)]
"""The caller, whose `sub` is the `user_id` in the path."""
