"""Custom tools as tools of the server: how they are told of, and called."""

from typing import Any, Final

from mcp_types import CallToolResult, InputRequiredResult
from mcp_types import Tool as ListedTool
from pydantic import BaseModel, Field

from mcp_server.context import ToolContext, ToolError, owner, zone
from mcp_server.custom.arguments import check_arguments
from mcp_server.custom.catalogue import Enabled
from mcp_server.sandbox import Entry, ProgramFailed, run
from mcp_server.tool_functions import tool_functions
from mcp_server.tooling import tool

__all__ = ["call", "shown"]


class Result(BaseModel):
    result: Any = Field(description="What the function returned")
    output: str = Field(description="What it printed")
    note: str | None = Field(description="Set where something was cut")


async def custom_tool() -> Result:
    """What all of them have in common."""
    raise NotImplementedError


_KIND: Final = tool(custom_tool, title="", read_only=True, open_world=True)


def shown(custom: Enabled) -> ListedTool:
    """What clients are told of it."""
    return ListedTool(
        name=custom.name,
        description=custom.description,
        input_schema=custom.parameters,
        output_schema=_KIND.output_schema,
        annotations=_KIND.annotations,
    )


async def call(
    custom: Enabled, arguments: dict[str, Any], ctx: ToolContext
) -> CallToolResult | InputRequiredResult:
    """Run it in the sandbox, in the name of the caller of `ctx`. Raises ToolError."""
    await check_arguments(custom, arguments)
    entry = Entry(custom.name, arguments)
    try:
        ran = await run(custom.code, await tool_functions(ctx), owner(ctx), zone(ctx).key, entry)
    except ProgramFailed as failure:
        raise ToolError(f"{custom.name} failed: {failure}") from failure
    return _KIND.fn_metadata.convert_result(Result(result=ran.value, output=ran.output, note=ran.note))
