"""The tools of our own tool server, and beside them those of other MCP servers."""

import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import anyio
import structlog
from agents import FunctionTool
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import RequestParamsMeta
from mcp_types import Tool as McpTool
from pydantic import ValidationError

from chat_api.auth.service import Deputy
from chat_api.tools.connections import Asking, Connection
from chat_api.tools.errors import ToolServerUnreachable
from chat_api.tools.function_tools import KEY, failed, function_tool, outcome, refusal
from chat_api.tools.line import LineBroken, has_ended
from chat_api.tools.servers.others import OtherServers
from chat_api.tools.toolbox import Toolbox, ToolUser

__all__ = ["ToolBridge", "ToolUser", "Toolbox"]

LIST_PATIENCE: Final = 10.0
CALL_PATIENCE: Final = 15.0
"""How long a tool server that is away is waited for: as long as it takes to start again."""

_log = structlog.get_logger(__name__)
_SHORTEST_LIFETIME: Final = 1.0
_LONGEST_LIFETIME: Final = 60.0
_LIST_TIMEOUT: Final = 10.0
_FAILURE_LIFETIME: Final = 1.0
_FIRST_PAUSE: Final = 0.5
_PAUSE_GROWTH: Final = 1.15
# In the `_meta` of an error of our own server, whose database is away.
_TRY_AGAIN: Final = "turnlog/try-again"
# In the `_meta` of a call: what a program may call, which would else get round the rules of its agent.
_FUNCTIONS: Final = "turnlog/functions"
_NO_ANSWER: Final = "The tool server did not answer; the call may not have happened."
_FAILURES: Final = (MCPError, LineBroken, RuntimeError, OSError, ValidationError)


class ToolBridge:
    """The tools of one MCP server, listed once a minute at least, called as the user of the run.

    `others` has those of the servers that users have registered.
    """

    def __init__(self, connection: Connection, others: OtherServers) -> None:
        self._connection = connection
        self._others = others
        self._box = Toolbox()
        self._listed_until = 0.0
        self._away = False
        self._listing = anyio.Lock()

    async def equip(self, deputy: Deputy) -> Toolbox:
        """The tools that there are for a person, or were a moment ago; waits for a server that is away.

        Raises ToolServerUnreachable where it is our own that stays away; others are left out.
        """
        return await self._others.add_to(await self._own(deputy), deputy)

    async def _own(self, deputy: Deputy) -> Toolbox:
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
                found, lifetime = await self._list(asking)
            self._box = Toolbox(
                tools=[self._function_tool(tool) for tool in found],
                read_only=frozenset(tool.name for tool in found if _is_read_only(tool)),
                repeatable=frozenset(tool.name for tool in found if _is_repeatable(tool)),
            )
        except _FAILURES as error:
            _log.warning("tools_not_listed", reason=type(error).__name__, away=asking.away)
        self._away = asking.away
        self._listed_until = time.monotonic() + lifetime

    async def _list(self, asking: Asking) -> tuple[list[McpTool], float]:
        """All tools, and for how many seconds they can be taken to stay the same."""
        found: list[McpTool] = []
        cursor, lifetime = None, _LONGEST_LIFETIME
        async with self._client(asking) as client:
            while True:
                page = await client.list_tools(cursor=cursor)
                found += page.tools
                cursor = page.next_cursor
                if "ttl_ms" in page.model_fields_set:
                    lifetime = min(lifetime, max(page.ttl_ms / 1000, _SHORTEST_LIFETIME))
                if cursor is None:
                    return found, lifetime

    def _function_tool(self, tool: McpTool) -> FunctionTool:
        async def call(arguments: dict[str, Any], user: ToolUser, key: str) -> dict[str, Any]:
            return await self._call(tool.name, arguments, user, key)

        return function_tool(
            tool.name, tool.description or "", tool.input_schema, call, repeatable=_is_repeatable(tool)
        )

    async def _call(self, name: str, arguments: dict[str, Any], user: ToolUser, key: str) -> dict[str, Any]:
        """Call the tool; return its result or, where it failed, its error.

        Where the server goes away, a call that does no harm twice is made again, with the same key.
        """
        pauses = _pauses(CALL_PATIENCE)
        while True:
            asking = Asking(user.deputy.token())
            try:
                async with self._client(asking) as client:
                    result = await client.call_tool(name, arguments, meta=_meta(key, user))
                came, again = outcome(result), _TRY_AGAIN in (result.meta or {})
            except _FAILURES as error:
                came, again = refusal(error) or failed(_NO_ANSWER), asking.away
            pause = next(pauses, None) if again and name in self._box.repeatable else None
            if pause is None:
                return came
            await anyio.sleep(pause)

    @asynccontextmanager
    async def _client(self, asking: Asking) -> AsyncGenerator[Client]:
        """The client, in the name of whoever is asking. One that has ended is let go of."""
        try:
            client = await self._connection.line.client()
        except LineBroken:
            asking.away = True
            raise
        async with self._connection.acting_as(asking):
            try:
                yield client
            except MCPError as error:
                if has_ended(error):
                    asking.away = True
                    self._connection.line.drop(client)
                raise


def _meta(key: str, user: ToolUser) -> RequestParamsMeta:
    meta: dict[str, Any] = {KEY: key} | ({} if user.functions is None else {_FUNCTIONS: user.functions})
    return cast("RequestParamsMeta", meta)


def _pauses(patience: float) -> Iterator[float]:
    """Pauses that grow, from the first one taken until `patience` has passed."""
    until, pause = time.monotonic() + patience, _FIRST_PAUSE
    while (left := until - time.monotonic()) > 0:
        yield min(pause, left)
        pause *= _PAUSE_GROWTH


def _is_read_only(tool: McpTool) -> bool:
    return tool.annotations is not None and bool(tool.annotations.read_only_hint)


def _is_repeatable(tool: McpTool) -> bool:
    hints = tool.annotations
    harmless = hints is not None and bool(hints.read_only_hint or hints.idempotent_hint)
    return harmless or bool((tool.meta or {}).get(KEY))
