"""Bearer tokens at the HTTP door, and what the answer says to who has no right one.

RFC 6750 for the challenges, RFC 9728 for the metadata, and for both the authorization of the MCP
specification (2026-07-28 and 2025-11-25).
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from mcp.shared.auth import ProtectedResourceMetadata
from mcp_types import INTERNAL_ERROR, INVALID_REQUEST
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from kit.errors import Problem
from kit.ids import owner_id
from kit.limits import TooManyRequests
from kit.postgres.errors import AWAY
from mcp_server.refusals import id_of, refusal
from mcp_server.scopes import READ, WRITE

__all__ = ["Bearer", "BearerDoor", "Limit", "Permits"]

Limit: TypeAlias = Callable[[str], Awaitable[None]]
_READING: Final = (READ,)
_WRITING: Final = (READ, WRITE)
_SCHEME: Final = "bearer "
_MISSING: Final = "Send a bearer token."
_WRONG: Final = "The token is not valid here; get a new one for this server."
_AWAY: Final = "The database cannot be reached right now; try again in a moment."
_TOO_LITTLE: Final = "The token does not allow that; get one with the scope {}."


class Bearer:
    """What the door at `public_url`/mcp asks for: a token that `verifier` accepts."""

    def __init__(self, verifier: TokenVerifier, public_url: str, limit: Limit | None = None) -> None:
        """`limit` counts a request of a person, and raises TooManyRequests."""
        # Validated from text: an address that is made as a URL first gets a slash that is not its own.
        addresses = {"resource": f"{public_url}/mcp", "authorization_servers": [public_url]}
        metadata = ProtectedResourceMetadata.model_validate(addresses)
        self._verifier: Final = verifier
        self._limit: Final = limit
        self._metadata_url: Final = str(build_resource_metadata_url(metadata.resource))
        self.routes: Final[list[Route]] = create_protected_resource_routes(
            metadata.resource, metadata.authorization_servers, scopes_supported=list(_WRITING)
        )

    async def user(self, headers: Headers) -> AuthenticatedUser | JSONResponse:
        """Whom the token of these headers speaks for, or the answer where there is no right one."""
        sent = headers.getlist("authorization")
        if not any(value.lower().startswith(_SCHEME) for value in sent):
            return self._unauthorized(_MISSING)
        try:
            access = await self._accepted(sent)
        except AWAY:
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, INTERNAL_ERROR, _AWAY)
        if access is None:
            return self._unauthorized(_WRONG, error="invalid_token", error_description=_WRONG)
        return AuthenticatedUser(access)

    async def _accepted(self, sent: Sequence[str]) -> AccessToken | None:
        # With two of them, what stands before this server may have looked at the other one.
        return await self._verifier.verify_token(sent[0][len(_SCHEME) :].strip()) if len(sent) == 1 else None

    async def refusal(self, user: AuthenticatedUser) -> JSONResponse | None:
        """The answer to somebody who has asked too often."""
        if self._limit is None:
            return None
        access = user.access_token
        try:
            await self._limit(owner_id(str((access.claims or {})["iss"]), str(access.subject)).hex)
        except TooManyRequests as problem:
            answer = refusal(HTTPStatus.TOO_MANY_REQUESTS, INVALID_REQUEST, problem.message)
            answer.headers.update(problem.headers)
            return answer
        except AWAY:
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, INTERNAL_ERROR, _AWAY)
        return None

    def ended(self, _: Scope, problem: Problem) -> JSONResponse:
        """The answer to a request that was under way when its token became good for nothing."""
        return self._unauthorized(problem.message, error="invalid_token", error_description=problem.message)

    def _unauthorized(self, words: str, **told: str) -> JSONResponse:
        return self._challenge(HTTPStatus.UNAUTHORIZED, words, None, **told, scope=READ)

    def forbidden(self, needed: Sequence[str], id_: str | int | None) -> JSONResponse:
        """The answer to the request `id_`, which needs a token with all of these scopes."""
        scope = " ".join(needed)
        words = _TOO_LITTLE.format(scope)
        told = {"error": "insufficient_scope", "error_description": words, "scope": scope}
        return self._challenge(HTTPStatus.FORBIDDEN, words, id_, **told)

    def _challenge(self, status: HTTPStatus, words: str, id_: str | int | None, **told: str) -> JSONResponse:
        told["resource_metadata"] = self._metadata_url
        answer = refusal(status, INVALID_REQUEST, words, id_)
        answer.headers["WWW-Authenticate"] = "Bearer " + ", ".join(
            f'{name}="{value}"' for name, value in told.items()
        )
        return answer


@dataclass(frozen=True, slots=True)
class BearerDoor:
    """Lets requests with a right token through to `app`, in a context that knows whom it speaks for."""

    app: ASGIApp
    bearer: Bearer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # For `Leashed`, where it is that of an app with other routes.
        scope["ended"] = self.bearer.ended
        user = await self.bearer.user(Headers(scope=scope))
        if isinstance(user, JSONResponse):
            await user(scope, receive, send)
            return
        refused = await self.bearer.refusal(user)
        if refused is not None:
            await refused(scope, receive, send)
            return
        scope["user"] = user
        before = auth_context_var.set(user)
        try:
            await self.app(scope, receive, send)
        finally:
            auth_context_var.reset(before)


@dataclass(frozen=True, slots=True)
class Permits:
    """What a token allows: everything needs READ, and a call of one of the tools `writing` WRITE as well."""

    bearer: Bearer
    writing: frozenset[str]

    def refusal(self, scope: Scope, message: Any) -> JSONResponse | None:
        """The answer where the token does not allow the `message`, whatever else is wrong with that."""
        needed = _WRITING if self._writes(message) else _READING
        user: AuthenticatedUser = scope["user"]
        if all(name in user.scopes for name in needed):
            return None
        return self.bearer.forbidden(needed, id_of(message))

    def _writes(self, message: Any) -> bool:
        match message:
            case {"method": "tools/call", "params": {"name": str(name)}}:
                return name in self.writing
            case _:
                return False
