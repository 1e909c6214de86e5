"""Other MCP servers: registering them, trying them out."""

from http import HTTPStatus
from typing import Annotated, TypeAlias, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from chat_api.auth.dependencies import Caller, Database
from chat_api.auth.schemas import Done
from chat_api.auth.service import Delegation
from chat_api.preconditions import Expected, etag
from chat_api.tools.servers import probing, service
from chat_api.tools.servers.models import McpServer
from chat_api.tools.servers.others import OtherServers
from chat_api.tools.servers.rules import Rules
from chat_api.tools.servers.schemas import (
    NewServer,
    ServerChange,
    ServerList,
    ServerOut,
    ServerTools,
    TestResult,
)
from kit.tokens import Identity, Verifier

router = APIRouter(prefix="/api/v1/mcp-servers", tags=["mcp servers"])


async def _others(request: Request) -> OtherServers:
    return cast("OtherServers", request.state.others)


async def _delegation(request: Request) -> Delegation:
    return cast("Delegation", request.state.delegation)


Others: TypeAlias = Annotated[OtherServers, Depends(_others)]
Delegating: TypeAlias = Annotated[Delegation, Depends(_delegation)]


async def _desk(request: Request, db: Database, others: Others, delegation: Delegating) -> service.Desk:
    verifier = cast("Verifier", request.state.verifier)
    return service.Desk(db, others.sealer, Rules({verifier.audience, delegation.audience}))


Desk: TypeAlias = Annotated[service.Desk, Depends(_desk)]


@router.post("", status_code=HTTPStatus.CREATED)
async def register_server(
    caller: Caller, desk: Desk, others: Others, body: NewServer, response: Response
) -> ServerOut:
    """Register an MCP server, whose tools one's agents can use from then on."""
    server = await desk.create(caller, body.model_dump())
    others.registry.expire()
    return _answer(server, caller, response)


@router.get("")
async def list_servers(
    caller: Caller,
    db: Database,
    limit: Annotated[int, Query(ge=1, le=100)] = 100,
    cursor: Annotated[UUID, Query(description="`next_cursor` of the page before")] | None = None,
) -> ServerList:
    """One's own servers, and those that are everybody's; the oldest first."""
    found, following = await service.list_servers(db, caller, after=cursor, limit=limit)
    return ServerList(servers=[_out(server, caller) for server in found], next_cursor=following)


@router.get("/{server_id}")
async def get_server(caller: Caller, db: Database, server_id: UUID, response: Response) -> ServerOut:
    """One server. Its `ETag` is its version."""
    return _answer(await service.find(db, caller, server_id), caller, response)


@router.patch("/{server_id}")
async def change_server(
    caller: Caller,
    desk: Desk,
    others: Others,
    server_id: UUID,
    body: ServerChange,
    response: Response,
    expected: Expected,
) -> ServerOut:
    """Change a server. Its secret stays, unless it moves to another host.

    With `If-Match`, only if nobody else has changed it meanwhile.
    """
    given = body.model_dump(exclude_unset=True)
    server = await desk.change(caller, server_id, given, expected=expected)
    others.registry.expire()
    return _answer(server, caller, response)


@router.delete("/{server_id}")
async def delete_server(caller: Caller, desk: Desk, others: Others, server_id: UUID) -> Done:
    """Strike a server off; its tools are gone at once, here, and within two seconds elsewhere."""
    await desk.delete(caller, server_id)
    others.registry.expire()
    return Done(message="MCP server deleted successfully")


@router.post("/{server_id}/test")
async def test_server(
    caller: Caller, db: Database, others: Others, delegation: Delegating, server_id: UUID
) -> TestResult:
    """Connect to a server now, list its tools, and say how that went."""
    server = await service.find(db, caller, server_id)
    return await probing.test(others, server, delegation.deputy(caller))


@router.get("/{server_id}/tools")
async def list_server_tools(
    caller: Caller, db: Database, others: Others, delegation: Delegating, server_id: UUID
) -> ServerTools:
    """The tools that a server lists now, as agents get them."""
    server = await service.find(db, caller, server_id)
    return ServerTools.of(await probing.tools(others, server, delegation.deputy(caller)))


def _answer(server: McpServer, caller: Identity, response: Response) -> ServerOut:
    response.headers["ETag"] = etag(server.version)
    return _out(server, caller)


def _out(server: McpServer, caller: Identity) -> ServerOut:
    return ServerOut.of(server, can_change=service.can_change(server, caller))
