"""The tools of our own tool server, and beside them those of other MCP servers."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar, cast

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
from kit.errors import Problem

__all__ = ["ToolBridge", "ToolUser", "Toolbox"]

LIST_PATIENCE: Final = 10.0
CALL_PATIENCE: Final = 15.0
"""How long a tool server that is away is waited for: as long as it takes to start again."""
ASK_PATIENCE: Final = 1.0
"""The same for who asks for something themselves."""

_log = structlog.get_logger(__name__)
_SHORTEST_LIFETIME: Final = 1.0
_LONGEST_LIFETIME: Final = 60.0
_LIST_TIMEOUT: Final = 10.0
_ASK_TIMEOUT: Final = 15.0
_FAILURE_LIFETIME: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
_MOST_FAILURES: Final = 10
_MOMENT: Final = 0.5
_FAREWELL: Final = 1.0
_FIRST_PAUSE: Final = 0.5
_PAUSE_GROWTH: Final = 1.15
# In the `_meta` of an error of our own server, whose database is away.
_TRY_AGAIN: Final = "turnlog/try-again"
# In the `_meta` of a call: what a program may call, which would else get round the rules of its agent.
_FUNCTIONS: Final = "turnlog/functions"
_NO_ANSWER: Final = "The tool server did not answer; the call may not have happened."
T = TypeVar("T")
_FAILURES: Final = (MCPError, LineBroken, RuntimeError, OSError, ValidationError)


class ToolBridge:
    """The tools of one MCP server, listed once a minute at least, called as the user of the run.

    They are listed in the background, for which turns wait a moment, or until there is a list at all.
    `others` has those of the servers that users have registered.
    """

    def __init__(self, connection: Connection, others: OtherServers) -> None:
        self._connection = connection
        self._others = others
        self._box = Toolbox()
        self._due = 0.0
        self._since = 0.0
        self._failures = 0
        self._away = False
        self._listing: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """List no more; what does not end within a second is left to its fate."""
        if self._listing is not None:
            self._listing.cancel()
            await asyncio.wait({self._listing}, timeout=_FAREWELL)

    async def equip(self, deputy: Deputy) -> Toolbox:
        """The tools that there are for a person, or were a moment ago; waits for a server that is away.

        Raises ToolServerUnreachable where it is our own that stays away; others are left out.
        """
        return await self._others.add_to(await self._own(deputy), deputy)

    async def ask(
        self, deputy: Deputy, send: Callable[[Client], Awaitable[T]], unanswered: Callable[[], Problem]
    ) -> T:
        """What our own tool server answers to `send`, which may be sent again where it has just gone away.

        Raises `unanswered` where it does not answer, or not as it should.
        """
        pauses = _pauses(ASK_PATIENCE)
        while True:
            asking = Asking(deputy.token())
            try:
                with anyio.fail_after(_ASK_TIMEOUT):
                    async with self._client(asking) as client:
                        return await send(client)
            except _FAILURES as error:
                pause = next(pauses, None) if asking.away else None
                if pause is None:
                    _log.warning("tool_server_not_asked", reason=type(error).__name__, away=asking.away)
                    raise unanswered() from error
            await anyio.sleep(pause)

    async def _own(self, deputy: Deputy) -> Toolbox:
        pauses = _pauses(LIST_PATIENCE)
        while True:
            if self._listing is None and time.monotonic() >= self._due:
                self._since = time.monotonic()
                self._listing = asyncio.create_task(self._renew(deputy))
                self._listing.add_done_callback(self._renewed)
            if self._listing is not None:
                await asyncio.wait({self._listing}, timeout=self._wait())
            if self._box.tools:
                return self._box
            pause = next(pauses, None) if self._away else None
            if pause is None:
                raise ToolServerUnreachable
            await anyio.sleep(pause)

    def _wait(self) -> float | None:
        """Seconds that a list is worth waiting for: only a moment where an older one is at hand."""
        if not self._box.tools:
            return None
        return 0 if self._failures else max(0, self._since + _MOMENT - time.monotonic())

    async def _renew(self, deputy: Deputy) -> None:
        """List the tools anew; a failure is remembered, so that turns do not wait for it one by one."""
        asking = Asking(deputy.token())
        try:
            with anyio.fail_after(_LIST_TIMEOUT):
                found, lifetime = await self._list(asking)
            self._box = Toolbox(
                tools=[self._function_tool(tool) for tool in found],
                read_only=frozenset(tool.name for tool in found if _is_read_only(tool)),
                repeatable=frozenset(tool.name for tool in found if _is_repeatable(tool)),
            )
            self._failures = 0
        except _FAILURES as error:
            lifetime = self._fail(error, away=asking.away)
        self._away = asking.away
        self._due = time.monotonic() + lifetime

    def _fail(self, error: BaseException, *, away: bool) -> float:
        """Note a failure; returns the seconds until it is tried again, which grow while there is a list."""
        pause = min(_LONGEST_PAUSE, _FAILURE_LIFETIME * 2**self._failures)
        self._failures = min(self._failures + 1, _MOST_FAILURES) if self._box.tools else 0
        _log.warning("tools_not_listed", reason=type(error).__name__, away=away)
        return pause

    def _renewed(self, task: "asyncio.Task[None]") -> None:
        self._listing = None
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._away = False
            self._due = time.monotonic() + self._fail(error, away=False)

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
