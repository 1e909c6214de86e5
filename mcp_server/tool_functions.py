"""The tools as functions of a program in the sandbox."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, cast

import structlog
from mcp.server.mcpserver.exceptions import UnexpectedToolError
from mcp_types import CallToolResult, InputRequiredResult, TextContent
from mcp_types import Tool as ListedTool

from mcp_server.context import ToolContext, ToolError
from mcp_server.progress import tell
from mcp_server.sandbox import CallFailed, Functions, Plain

__all__ = ["tool_functions"]

_log = structlog.get_logger(__name__)
_PROGRAMS: Final = "run_python"
_FUNCTIONS: Final = "turnlog/functions"
_MOST_SENT: Final = 10_000


async def tool_functions(ctx: ToolContext) -> Functions:
    """The built-in tools for the caller of `ctx`; those that change something are refused with a reason.

    Who calls may allow fewer: the names of those in `_meta`, as `turnlog/functions`.
    """
    listed = {tool.name: tool for tool in await ctx.mcp_server.list_tools()}
    allowed: Any = (ctx.request_context.meta or {}).get(_FUNCTIONS)
    return _ToolFunctions(ctx, listed, listed.keys() if allowed is None else _names(allowed))


def _names(allowed: Any) -> AbstractSet[str]:
    """Raises ToolError."""
    if not isinstance(allowed, list) or not all(isinstance(name, str) for name in cast("list[Any]", allowed)):
        raise ToolError(f"Send {_FUNCTIONS} as a list of names.")
    return frozenset(cast("list[str]", allowed))


@dataclass(frozen=True, slots=True)
class _ToolFunctions:
    """The tools of this server, as functions of a program, in the name of the same user."""

    ctx: ToolContext
    listed: Mapping[str, ListedTool]
    allowed: AbstractSet[str]
    counter: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def names(self) -> AbstractSet[str]:
        return self.listed.keys()

    async def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        listed = self.listed[name]
        called = next(self.counter)
        await tell(self.ctx, called, None, f"The program calls {name}, its call number {called}")
        if name == _PROGRAMS:
            raise CallFailed("Code cannot run code: write it all in one program.", "PermissionError")
        if listed.annotations is None or not listed.annotations.read_only_hint:
            raise CallFailed(
                f"{name} changes things, so code cannot call it: let the code find what to change, "
                f"and call {name} as a tool afterwards.",
                "PermissionError",
            )
        if name not in self.allowed:
            raise CallFailed(
                f"Code cannot call {name} here: call it as a tool, if there is one.", "PermissionError"
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
