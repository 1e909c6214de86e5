"""Programs that combine the other tools."""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Annotated, Any, Final

import structlog
from mcp.server.mcpserver.exceptions import UnexpectedToolError
from mcp_types import CallToolResult, InputRequiredResult, TextContent
from mcp_types import Tool as ListedTool
from pydantic import BaseModel, Field

from mcp_server.context import ToolContext, ToolError, owner, zone
from mcp_server.sandbox import MOST_CODE, CallFailed, Plain, ProgramFailed, run
from mcp_server.tooling import tool

__all__ = ["TOOLS"]

_log = structlog.get_logger(__name__)
_MOST_SENT: Final = 10_000
_FENCED: Final = re.compile(r"\s*```\w*\n(.*?)\n?```\s*", re.DOTALL)


class Result(BaseModel):
    output: str = Field(description="What was printed")
    value: Any = Field(description="The value of the last line, if that is an expression")
    note: str | None = Field(description="Set where something was cut")


async def run_python(
    ctx: ToolContext,
    code: Annotated[str, Field(min_length=1, max_length=MOST_CODE, description="A whole program")],
) -> Result:
    """Run Python. Use it for what takes several steps: loops, counting, dates, text, many tool calls.

    Print the result, or end with an expression. These tools are functions in it, which return a dict:
    calculator, current_time, convert_time, list_files, read_file, search_files, list_todos, web_search,
    fetch_page. Example: [t["title"] for t in list_todos(status="open")["todos"]].
    Modules: math, re, json, datetime, random, collections, itertools and a few more. No open, class
    inheritance, yield or del. Nothing is kept for the next call.
    """
    fenced = _FENCED.fullmatch(code)
    code = fenced[1] if fenced else code
    functions = _Tools(ctx, {listed.name: listed for listed in await ctx.mcp_server.list_tools()})
    try:
        ran = await run(code, functions, owner(ctx), zone(ctx).key)
    except ProgramFailed as failure:
        raise ToolError(str(failure)) from failure
    return Result(output=ran.output, value=ran.value, note=ran.note)


@dataclass(frozen=True, slots=True)
class _Tools:
    """The tools of this server, as functions of a program, in the name of the same user."""

    ctx: ToolContext
    listed: Mapping[str, ListedTool]

    @property
    def names(self) -> AbstractSet[str]:
        return self.listed.keys()

    async def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        listed = self.listed[name]
        if name == run_python.__name__:
            raise CallFailed("Code cannot run code: write it all in one program.", "PermissionError")
        if listed.annotations is None or not listed.annotations.read_only_hint:
            raise CallFailed(
                f"{name} changes things, so code cannot call it: let the code find what to change, "
                f"and call {name} as a tool afterwards.",
                "PermissionError",
            )
        arguments = _bound(listed, args, kwargs)
        try:
            result = await self.ctx.mcp_server.call_tool(name, arguments, self.ctx)
        except UnexpectedToolError as error:
            _log.exception("tool_failed", tool=name)
            raise CallFailed(str(error)) from error
        except ToolError as error:
            raise CallFailed(str(error)) from error
        if not isinstance(result, CallToolResult) or result.is_error:
            raise CallFailed(_text(result) or f"{name} gave no result; try again.")
        return result.structured_content


def _text(result: CallToolResult | InputRequiredResult) -> str:
    blocks = result.content if isinstance(result, CallToolResult) else ()
    return "".join(block.text for block in blocks if isinstance(block, TextContent))


def _bound(listed: ListedTool, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments by name, as a client would send them. Raises CallFailed."""
    known = list(listed.input_schema.get("properties", {}))
    if len(args) > len(known):
        raise CallFailed(f"{listed.name} takes these arguments: {', '.join(known) or 'none'}", "TypeError")
    given = dict(zip(known, args, strict=False))
    twice = given.keys() & kwargs.keys()
    if twice:
        raise CallFailed(f"{listed.name} got {', '.join(sorted(twice))} twice", "TypeError")
    plain = Plain(_MOST_SENT)
    arguments = plain.of(given | kwargs)
    if plain.odd or plain.cut:
        raise CallFailed(
            f"{listed.name} takes text, numbers and lists, at most {_MOST_SENT} characters of them",
            "TypeError",
        )
    return arguments


TOOLS: Final = (tool(run_python, title="Run Python", read_only=True, open_world=True),)
