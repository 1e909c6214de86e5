"""Programs that combine the other tools."""

import re
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field

from mcp_server.context import ToolContext, ToolError, owner, zone
from mcp_server.sandbox import MOST_CODE, ProgramFailed, run
from mcp_server.tool_functions import tool_functions
from mcp_server.tooling import tool

__all__ = ["TOOLS"]

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
    try:
        ran = await run(code, await tool_functions(ctx), owner(ctx), zone(ctx).key)
    except ProgramFailed as failure:
        raise ToolError(str(failure)) from failure
    return Result(output=ran.output, value=ran.value, note=ran.note)


TOOLS: Final = (tool(run_python, title="Run Python", read_only=True, open_world=True),)
