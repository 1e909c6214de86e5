"""MCP tools as tools of the Agents SDK."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
import structlog
from agents import FunctionTool, Tool
from agents.tool_context import ToolContext
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, TextContent
from mcp_types import Tool as McpTool
from pydantic import ValidationError

from chat_api.providers.chat_model import NOT_JSON
from chat_api.providers.tool_calls import keepable, told
from chat_api.tools.connections import Connection
from chat_api.tools.errors import ToolServerUnreachable

__all__ = ["ToolBridge", "ToolUser"]

_log = structlog.get_logger(__name__)
_LIST_LIFETIME: Final = 60.0
_LIST_TIMEOUT: Final = 10.0
_FAILURE_LIFETIME: Final = 1.0
_INTERRUPTED: Final = "The call was interrupted; it may or may not have happened."
_SEND_JSON: Final = "The arguments were not a JSON object; call the tool again with valid JSON."
_FAILURES: Final = (MCPError, RuntimeError, OSError, ValidationError)


@dataclass(slots=True)
class ToolUser:
    """Whom the tools of one run work for, and what they did: the context of the SDK's run.

    `token` mints a short-lived token for the tool server; `rounds` bounds the model calls; `tools` are what
    may be called; `calls` collects the calls in their order, each as `tool`, `args`, `result` and, where it
    failed, `error`.
    """

    token: Callable[[], str]
    rounds: int
    tools: list[Tool] = field(default_factory=list[Tool])
    calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


class ToolBridge:
    """The tools of one MCP server, listed once a minute, called as the user of the run."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tools: list[Tool] = []
        self._listed_until = 0.0
        self._listing = anyio.Lock()

    async def equip(self, user: ToolUser) -> None:
        """Give `user` the tools there are, or were a moment ago. Raises ToolServerUnreachable."""
        if time.monotonic() >= self._listed_until:
            async with self._listing:
                if time.monotonic() >= self._listed_until:
                    await self._renew(user)
        if not self._tools:
            raise ToolServerUnreachable
        user.tools = self._tools

    async def _renew(self, user: ToolUser) -> None:
        """List the tools anew; a failure is remembered, so that turns do not wait for it one by one."""
        lifetime = _FAILURE_LIFETIME
        try:
            with anyio.fail_after(_LIST_TIMEOUT):
                self._tools = [self._function_tool(tool) for tool in await self._list(user)]
            lifetime = _LIST_LIFETIME
        except _FAILURES as error:
            _log.warning("tools_not_listed", reason=type(error).__name__)
        self._listed_until = time.monotonic() + lifetime

    async def _list(self, user: ToolUser) -> list[McpTool]:
        found: list[McpTool] = []
        cursor = None
        async with self._connection.acting_as(user.token()):
            while True:
                page = await self._connection.client.list_tools(cursor=cursor)
                found += page.tools
                cursor = page.next_cursor
                if cursor is None:
                    return found

    def _function_tool(self, tool: McpTool) -> FunctionTool:
        async def invoke(context: ToolContext[ToolUser], arguments: str) -> str:
            return await self._call(tool.name, arguments, context.context)

        schema: dict[str, Any] = {"properties": {}, **tool.input_schema}
        return FunctionTool(tool.name, tool.description or "", schema, invoke, strict_json_schema=False)

    async def _call(self, name: str, text: str, user: ToolUser) -> str:
        """Call the tool and return what the model is told; a failure is told, not raised."""
        call: dict[str, Any] = {"tool": name, "args": {}, "result": None, "error": _INTERRUPTED}
        user.calls.append(call)
        arguments: dict[str, Any] = json.loads(text)
        if arguments == {NOT_JSON: True}:
            call["error"] = _SEND_JSON
            return _SEND_JSON
        call["args"] = keepable(arguments)
        try:
            async with self._connection.acting_as(user.token()):
                result = await self._connection.client.call_tool(name, arguments)
        except _FAILURES:
            call["error"] = "The tool server did not answer; the call may not have happened."
        else:
            call["result"] = None if result.is_error else keepable(_content(result))
            call["error"] = keepable(_text(result)) if result.is_error else None
        return told(call)


def _content(result: CallToolResult) -> Any:
    """The structured result where there is one, else the text."""
    return _text(result) if result.structured_content is None else result.structured_content


def _text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))
