"""MCP tools as tools of the Agents SDK."""

import json
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, cast

import anyio
import structlog
from agents import FunctionTool, Tool
from agents.tool_context import ToolContext
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, METHOD_NOT_FOUND, CallToolResult, TextContent
from mcp_types import Tool as McpTool
from pydantic import ValidationError

from chat_api.auth.service import Deputy
from chat_api.providers.chat_model import NOT_JSON
from chat_api.providers.tool_calls import keepable, told
from chat_api.tools.connections import Asking, Connection
from chat_api.tools.errors import ToolServerUnreachable

__all__ = ["ToolBridge", "ToolUser", "Toolbox"]

LIST_PATIENCE: Final = 10.0
CALL_PATIENCE: Final = 15.0
"""How long a tool server that is away is waited for: as long as it takes to start again."""

_log = structlog.get_logger(__name__)
_LIST_LIFETIME: Final = 60.0
_LIST_TIMEOUT: Final = 10.0
_FAILURE_LIFETIME: Final = 1.0
_FIRST_PAUSE: Final = 0.5
_PAUSE_GROWTH: Final = 1.15
_KEY: Final = "turnlog/idempotency-key"
_SEND_JSON: Final = "The arguments were not a JSON object; call the tool again with valid JSON."
# In the `_meta` of an error of our own server, whose database is away.
_TRY_AGAIN: Final = "turnlog/try-again"
_NO_ANSWER: Final = "The tool server did not answer; the call may not have happened."
_REFUSED: Final = "The tool server refused the call: {}"
_REFUSALS: Final = frozenset({INVALID_PARAMS, METHOD_NOT_FOUND})
_FAILURES: Final = (MCPError, RuntimeError, OSError, ValidationError)


class Record(Protocol):
    """What remembers the calls of a run: does `perform` unless that was done; returns the outcome.

    `perform` takes the key of the call, and the arguments that the user has put in place of the model's.
    """

    def __call__(
        self,
        call_id: str,
        arguments: dict[str, Any],
        perform: Callable[[str, dict[str, Any] | None], Awaitable[dict[str, Any]]],
        *,
        repeatable: bool,
    ) -> Awaitable[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Toolbox:
    """What may be called in one run.

    `read_only`: the names of the tools that change nothing. `repeatable`: of those whose call can be made
    again though it may have happened, because it changes nothing or knows its key. `sources`: the name of
    the other MCP server that a tool is of; those of our own tool server are not in it.
    """

    tools: list[Tool] = field(default_factory=list[Tool])
    read_only: frozenset[str] = frozenset()
    repeatable: frozenset[str] = frozenset()
    sources: Mapping[str, str] = field(default_factory=dict[str, str])

    def only(self, names: Collection[str]) -> "Toolbox":
        """The same with nothing but the tools of these `names`."""
        return replace(self, tools=[tool for tool in self.tools if tool.name in names])


@dataclass(slots=True)
class ToolUser:
    """Whom the tools of one run work for: the context of the SDK's run.

    `deputy` speaks for the person; `rounds` bounds the model calls; `record` is told of each call; `box` has
    what may be called.
    """

    deputy: Deputy
    rounds: int
    record: Record
    box: Toolbox = field(default_factory=Toolbox)


class ToolBridge:
    """The tools of one MCP server, listed once a minute, called as the user of the run."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._box = Toolbox()
        self._listed_until = 0.0
        self._away = False
        self._listing = anyio.Lock()

    async def equip(self, deputy: Deputy) -> Toolbox:
        """The tools that there are for a person, or were a moment ago; waits for a server that is away.

        Raises ToolServerUnreachable.
        """
        pauses = _pauses(LIST_PATIENCE)
        while True:
            if time.monotonic() >= self._listed_until:
                async with self._listing:
                    if time.monotonic() >= self._listed_until:
                        await self._renew(deputy)
            if self._box.tools:
                return self._box
            pause = next(pauses, None) if self._away else None
            if pause is None:
                raise ToolServerUnreachable
            await anyio.sleep(pause)

    async def _renew(self, deputy: Deputy) -> None:
        """List the tools anew; a failure is remembered, so that turns do not wait for it one by one."""
        lifetime = _FAILURE_LIFETIME
        asking = Asking(deputy.token())
        try:
            with anyio.fail_after(_LIST_TIMEOUT):
                found = await self._list(asking)
            self._box = Toolbox(
                tools=[self._function_tool(tool) for tool in found],
                read_only=frozenset(tool.name for tool in found if _is_read_only(tool)),
                repeatable=frozenset(tool.name for tool in found if _is_repeatable(tool)),
            )
            lifetime = _LIST_LIFETIME
        except _FAILURES as error:
            _log.warning("tools_not_listed", reason=type(error).__name__, away=asking.away)
        self._away = asking.away
        self._listed_until = time.monotonic() + lifetime

    async def _list(self, asking: Asking) -> list[McpTool]:
        found: list[McpTool] = []
        cursor = None
        async with self._connection.acting_as(asking):
            while True:
                page = await self._connection.client.list_tools(cursor=cursor)
                found += page.tools
                cursor = page.next_cursor
                if cursor is None:
                    return found

    def _function_tool(self, tool: McpTool) -> FunctionTool:
        repeatable = _is_repeatable(tool)

        async def invoke(context: ToolContext[ToolUser], arguments: str) -> str:
            user = context.context
            wanted: dict[str, Any] = json.loads(arguments)
            usable = wanted != {NOT_JSON: True}
            args = _kept(wanted) if usable else {}

            async def perform(key: str, changed: dict[str, Any] | None) -> dict[str, Any]:
                call = {"tool": tool.name, "args": args, "result": None, "error": _SEND_JSON}
                if changed is not None:
                    changes = {"args": changed, "changed": True}
                    return call | changes | await self._call(tool.name, changed, user, key)
                return call | await self._call(tool.name, wanted, user, key) if usable else call

            return told(await user.record(context.tool_call_id, args, perform, repeatable=repeatable))

        schema: dict[str, Any] = {"properties": {}, **tool.input_schema}
        return FunctionTool(tool.name, tool.description or "", schema, invoke, strict_json_schema=False)

    async def _call(self, name: str, arguments: dict[str, Any], user: ToolUser, key: str) -> dict[str, Any]:
        """Call the tool; return its result or, where it failed, its error.

        Where the server goes away, a call that does no harm twice is made again, with the same key.
        """
        pauses = _pauses(CALL_PATIENCE)
        while True:
            asking = Asking(user.deputy.token())
            try:
                async with self._connection.acting_as(asking):
                    result = await self._connection.client.call_tool(name, arguments, meta={_KEY: key})
                outcome, again = _outcome(result), _TRY_AGAIN in (result.meta or {})
            except _FAILURES as error:
                outcome, again = {"error": _told_of(error)}, asking.away
            pause = next(pauses, None) if again and name in self._box.repeatable else None
            if pause is None:
                return outcome
            await anyio.sleep(pause)


def _pauses(patience: float) -> Iterator[float]:
    """Pauses that grow, from the first one taken until `patience` has passed."""
    until, pause = time.monotonic() + patience, _FIRST_PAUSE
    while (left := until - time.monotonic()) > 0:
        yield min(pause, left)
        pause *= _PAUSE_GROWTH


def _told_of(error: Exception) -> Any:
    """What the model is told of a call that has no result."""
    if isinstance(error, MCPError) and error.code in _REFUSALS:
        return keepable(_REFUSED.format(error.message))
    return _NO_ANSWER


def _kept(arguments: dict[str, Any]) -> dict[str, Any]:
    kept = keepable(arguments)
    return cast("dict[str, Any]", kept) if isinstance(kept, dict) else {"cut": kept}


def _is_read_only(tool: McpTool) -> bool:
    return tool.annotations is not None and bool(tool.annotations.read_only_hint)


def _is_repeatable(tool: McpTool) -> bool:
    hints = tool.annotations
    harmless = hints is not None and bool(hints.read_only_hint or hints.idempotent_hint)
    return harmless or bool((tool.meta or {}).get(_KEY))


def _outcome(result: CallToolResult) -> dict[str, Any]:
    if result.is_error:
        return {"error": keepable(_text(result))}
    return {"result": keepable(_content(result)), "error": None}


def _content(result: CallToolResult) -> Any:
    """The structured result where there is one, else the text."""
    return _text(result) if result.structured_content is None else result.structured_content


def _text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))
