"""Tools: which there are, and those that admins add."""

from collections.abc import Container
from http import HTTPStatus
from typing import Annotated, Final, TypeAlias, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from chat_api.auth.dependencies import Admin, Caller
from chat_api.auth.schemas import Done
from chat_api.auth.service import Delegation
from chat_api.preconditions import ExpectedVersions, etag
from chat_api.tools import service
from chat_api.tools.bridge import ToolBridge
from chat_api.tools.schemas import (
    CustomToolList,
    CustomToolOut,
    NewTool,
    RegisteredTool,
    Restore,
    ToolChange,
    ToolList,
    VersionList,
    VersionOut,
)
from mcp_server.custom import registry
from mcp_server.custom.catalogue import CustomTools
from mcp_server.custom.checking import Draft
from mcp_server.custom.errors import CustomToolsOff

router = APIRouter(tags=["tools"])

_ONE: Final = "/tools/custom/{tool_id}"


async def _names(request: Request) -> Container[str]:
    """The names of custom tools, where there are any."""
    custom = cast("CustomTools | None", request.state.custom)
    return () if custom is None else await custom.enabled()


async def _custom(request: Request, _: Admin) -> CustomTools:
    custom = cast("CustomTools | None", request.state.custom)
    if custom is None:
        raise CustomToolsOff
    return custom


Names: TypeAlias = Annotated[Container[str], Depends(_names)]
Custom: TypeAlias = Annotated[CustomTools, Depends(_custom)]
"""The custom tools, for an admin."""


@router.get("/tools")
async def list_tools(request: Request, caller: Caller, custom: Names) -> ToolList:
    """The tools that an agent of the caller can use."""
    bridge = cast("ToolBridge", request.state.tools)
    delegation = cast("Delegation", request.state.delegation)
    found = await service.tools_of(delegation.deputy(caller), bridge, custom)
    return ToolList(tools=found, total=len(found))


@router.post("/tools/register", status_code=HTTPStatus.CREATED)
async def register_tool(caller: Admin, custom: Custom, body: NewTool, response: Response) -> RegisteredTool:
    """Add a tool for everybody: a Python function, which runs in the sandbox when it is called."""
    kept = await registry.register(custom, body.draft, caller.owner)
    response.headers["ETag"] = etag(kept.version)
    return RegisteredTool(
        tool_id=kept.id, name=kept.name, version=kept.version, registered_at=kept.created_at
    )


@router.get("/tools/custom")
async def list_custom_tools(custom: Custom) -> CustomToolList:
    """The tools that admins have added, by name; those that are disabled, too."""
    found = await registry.listed(custom.db)
    return CustomToolList(tools=[CustomToolOut.of(kept) for kept in found], total=len(found))


@router.get(_ONE)
async def get_custom_tool(custom: Custom, tool_id: UUID, response: Response) -> CustomToolOut:
    """One of them, in its newest version, which is its `ETag`."""
    return _answer(await registry.get(custom.db, tool_id), response)


@router.put(_ONE)
async def change_custom_tool(
    caller: Admin,
    custom: Custom,
    tool_id: UUID,
    body: ToolChange,
    response: Response,
    expected: ExpectedVersions,
) -> CustomToolOut:
    """Make a new version, if nobody else has made one meanwhile. Calls that run go on with the old one."""
    draft = Draft("", body.description, body.parameters, body.code)
    kept = await registry.change(custom, tool_id, draft, expected, caller.owner)
    return _answer(kept, response)


@router.delete(_ONE)
async def remove_custom_tool(custom: Custom, tool_id: UUID) -> Done:
    """Remove a tool with all its versions."""
    await registry.remove(custom, tool_id)
    return Done(message="Tool removed successfully")


@router.get(f"{_ONE}/versions")
async def list_versions(custom: Custom, tool_id: UUID) -> VersionList:
    """What the tool was, the newest version first."""
    found = await registry.versions(custom.db, tool_id)
    return VersionList(versions=[VersionOut.of(version) for version in found])


@router.post(f"{_ONE}/restore")
async def restore_custom_tool(
    caller: Admin,
    custom: Custom,
    tool_id: UUID,
    body: Restore,
    response: Response,
    expected: ExpectedVersions,
) -> CustomToolOut:
    """Make a new version that is what an old one was."""
    restored = await registry.restore(custom, tool_id, body.version, expected, caller.owner)
    return _answer(restored, response)


@router.post(f"{_ONE}/enable")
async def enable_custom_tool(custom: Custom, tool_id: UUID, response: Response) -> CustomToolOut:
    """Let the tool be called again."""
    return _answer(await registry.set_enabled(custom, tool_id, enabled=True), response)


@router.post(f"{_ONE}/disable")
async def disable_custom_tool(custom: Custom, tool_id: UUID, response: Response) -> CustomToolOut:
    """Let the tool be called no more, and keep it."""
    return _answer(await registry.set_enabled(custom, tool_id, enabled=False), response)


def _answer(kept: registry.Kept, response: Response) -> CustomToolOut:
    response.headers["ETag"] = etag(kept.version)
    return CustomToolOut.of(kept)
