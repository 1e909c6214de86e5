"""MCP tools as tools of the Agents SDK, and what came of their calls as the journal keeps it."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias, cast

from agents import FunctionTool
from agents.tool_context import ToolContext
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    CallToolResult,
    EmbeddedResource,
    TextContent,
    TextResourceContents,
)

from chat_api.providers.chat_model import NOT_JSON
from chat_api.providers.tool_calls import keepable, told
from chat_api.tools.toolbox import ToolUser

__all__ = ["KEY", "Call", "failed", "function_tool", "outcome", "refusal"]

KEY: Final = "turnlog/idempotency-key"
"""In the `_meta` of a call: its key; in that of a tool: that repeats with the same key have one effect."""

_SEND_JSON: Final = "The arguments were not a JSON object; call the tool again with valid JSON."
_REFUSED: Final = "The tool server refused the call: {}"
_REFUSALS: Final = frozenset({INVALID_PARAMS, METHOD_NOT_FOUND})

Call: TypeAlias = Callable[[dict[str, Any], ToolUser, str], Awaitable[dict[str, Any]]]
"""Arguments, user and key of a call in; its result, or its error, out."""


def function_tool(
    name: str, description: str, schema: Mapping[str, Any], call: Call, *, repeatable: bool
) -> FunctionTool:
    async def invoke(context: ToolContext[ToolUser], arguments: str) -> str:
        user = context.context
        wanted: dict[str, Any] = json.loads(arguments)
        usable = wanted != {NOT_JSON: True}
        args = _kept(wanted) if usable else {}

        async def perform(key: str, changed: dict[str, Any] | None) -> dict[str, Any]:
            made = {"tool": name, "args": args, "result": None, "error": _SEND_JSON}
            if changed is not None:
                return made | {"args": changed, "changed": True} | await call(changed, user, key)
            return made | await call(wanted, user, key) if usable else made

        return told(await user.record(context.tool_call_id, args, perform, repeatable=repeatable))

    parameters: dict[str, Any] = {"properties": {}, **schema}
    return FunctionTool(name, description, parameters, invoke, strict_json_schema=False)


def outcome(result: CallToolResult) -> dict[str, Any]:
    """The structured result where there is one, else the text; or the error."""
    if result.is_error:
        return failed(_text(result))
    content = _text(result) if result.structured_content is None else result.structured_content
    return {"result": keepable(content), "error": None}


def failed(words: str) -> dict[str, Any]:
    return {"error": keepable(words)}


def refusal(error: Exception) -> dict[str, Any] | None:
    """What a server says that does not take a call, in its words; none for any other failure."""
    if isinstance(error, MCPError) and error.code in _REFUSALS:
        return failed(_REFUSED.format(error.message))
    return None


def _text(result: CallToolResult) -> str:
    return "\n".join(filter(None, (_words(block) for block in result.content)))


def _words(block: object) -> str:
    match block:
        case TextContent(text=text):
            return text
        case EmbeddedResource(resource=TextResourceContents(text=text)):
            return text
        case _:
            return f"({getattr(block, 'type', 'something')} that cannot be shown here)"


def _kept(arguments: dict[str, Any]) -> dict[str, Any]:
    kept = keepable(arguments)
    return cast("dict[str, Any]", kept) if isinstance(kept, dict) else {"cut": kept}
