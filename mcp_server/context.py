"""What a tool can reach: the database, the folders, and who is asking."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError

from kit.ids import owner_id
from kit.postgres import Db
from kit.tokens.keys import BUILT_IN_ISSUER
from mcp_server.custom.catalogue import CustomTools

__all__ = ["Deps", "NamedError", "SearchConfig", "ToolContext", "ToolError", "deps", "owner", "zone"]


class NamedError(ToolError):
    """An error that programs can tell from others by its `name`, which is in the `_meta` of the result."""

    name: ClassVar[str]


@dataclass(frozen=True, slots=True)
class SearchConfig:
    backend: Literal["ddgs", "searxng", "off"]
    searxng_url: str | None = None
    fetch_allow_hosts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Deps:
    """`local_user` is set where callers carry no token: on stdio, and over HTTP with --no-auth.

    `custom` is None where custom tools are off.
    """

    db: Db
    files_root: Path
    search: SearchConfig
    timezone: ZoneInfo
    local_user: str | None = None
    custom: CustomTools | None = None


ToolContext: TypeAlias = Context[Deps, Any]


def deps(ctx: ToolContext) -> Deps:
    return ctx.request_context.lifespan_context


def owner(ctx: ToolContext) -> UUID:
    """Whose data this call may touch. Raises ToolError for a call that nobody vouches for."""
    token = get_access_token()
    if token is not None and token.subject is not None:
        return owner_id(str((token.claims or {})["iss"]), token.subject)
    local_user = deps(ctx).local_user
    if local_user is None:
        raise ToolError("Nobody is signed in: send a bearer token.")
    return owner_id(BUILT_IN_ISSUER, local_user)


def zone(ctx: ToolContext) -> ZoneInfo:
    """The caller's time zone: the token's `zoneinfo`, else the server's setting."""
    token = get_access_token()
    name = (token.claims or {}).get("zoneinfo") if token is not None else None
    if isinstance(name, str):
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            pass
    return deps(ctx).timezone
