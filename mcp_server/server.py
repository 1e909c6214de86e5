"""The tool server, for every transport."""

import logging
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, Final

from mcp.server.caching import CacheableMethod, CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.extension import RequestHandler
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolResult,
    InputRequiredResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
)
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import SQLAlchemyError

from kit.postgres.errors import AWAY
from mcp_server.answers import ANSWERS, Answer, told_plainly
from mcp_server.confirming import CONFIRM, Unconfirmed, ask, has_agreed
from mcp_server.context import Deps, NamedError, ToolContext, deps
from mcp_server.custom import running as custom_tools
from mcp_server.custom.catalogue import LIFETIME, CustomTools, Enabled
from mcp_server.effects import Effect, carrying, effect_of
from mcp_server.icons import icon_of
from mcp_server.pages import page
from mcp_server.tooling import argument_error, unknown_arguments
from mcp_server.tools import BUILT_IN

__all__ = ["ToolServer", "create_server"]

_log = logging.getLogger(__name__)
_INSTRUCTIONS: Final = (
    "Tools for arithmetic, dates and times, the user's own files and todos, the web, and programs. "
    "Everything belongs to the user who is signed in."
)
# The same for everybody until the server is a newer one; of what is a person's own, nothing is to be kept.
_FIXED: Final = CacheHint(ttl_ms=300_000, scope="public")
_CACHED: Final[dict[CacheableMethod, CacheHint]] = {
    "server/discover": _FIXED,
    "tools/list": _FIXED,
    "prompts/list": _FIXED,
    "resources/templates/list": _FIXED,
}
_CHANGING: Final = CacheHint(ttl_ms=int(LIFETIME * 1000), scope="public")
_TRY_AGAIN: Final = "turnlog/try-again"
_ERROR: Final = "turnlog/error"
_FAILED: Final = "{} failed inside the server; try again."


class ToolServer(MCPServer[Deps]):
    """MCPServer with errors that a model can act on."""

    def __init__(
        self, tools: list[Tool], custom: CustomTools | None, public_url: str | None, **options: Any
    ) -> None:
        """`public_url` is where clients find the tools' icons, if it serves any."""
        # The server itself has no icon: the newer protocol repeats what it says of itself in each answer.
        super().__init__(tools=tools, **options)
        self._public_url: Final = public_url
        self._custom: Final = custom
        self._by_name: Final = {tool.name: tool for tool in tools}
        self.writing: Final = frozenset(tool.name for tool in tools if not _only_reads(tool))
        for answer in (*ANSWERS, Answer("tools/list", PaginatedRequestParams, self._list)):
            self._lowlevel_server.add_request_handler(answer.method, answer.params, self._handler(answer))

    def _handler(self, answer: Answer) -> RequestHandler:
        async def handle(request: ServerRequestContext[Deps, Any], params: Any) -> BaseModel:
            context = Context(request_context=request, mcp_server=self)
            with told_plainly():
                return await answer.answer(context, params)

        return handle

    async def _list(self, _: ToolContext, params: PaginatedRequestParams) -> ListToolsResult:
        tools = await self.list_tools()
        if self._custom is not None:
            # One that was there before a newer server had a tool of its name gives way.
            known = [tool for tool in await _known(self._custom) if tool.name not in self._by_name]
            tools += map(custom_tools.shown, known)
        listed, following = page("tools", tools, lambda tool: tool.name, params.cursor)
        if self._public_url is not None:
            listed = [
                tool.model_copy(update={"icons": [icon_of(self._public_url, tool.name)]}) for tool in listed
            ]
        return ListToolsResult(tools=listed, next_cursor=following)

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: ToolContext | None = None
    ) -> CallToolResult | InputRequiredResult:
        try:
            return await self._call(name, arguments, context)
        except UnexpectedToolError as error:
            if not _is_away(error):
                raise
            # Nobody knows whether it happened until the database is back; a client that can repeat a call is
            # told to.
            _log.warning("the database is away, at a call of %s", name)
            return _told(error, {_TRY_AGAIN: True})
        except ToolError as error:
            named = next((each for each in (error, error.__cause__) if isinstance(each, NamedError)), None)
            if named is None:
                raise
            return _told(error, {_ERROR: named.name})

    async def _call(
        self, name: str, arguments: dict[str, Any], context: ToolContext | None
    ) -> CallToolResult | InputRequiredResult:
        tool = self._by_name.get(name)
        if tool is None:
            return await self._call_custom(name, arguments, context)
        known = tool.parameters.get("properties", {})
        if not arguments.keys() <= known.keys():
            raise ToolError(unknown_arguments(name, known))
        effect = None if context is None else effect_of(tool, arguments, context)
        agreed = {CONFIRM: True}
        try:
            sent = arguments | agreed if CONFIRM in known and has_agreed(context) else arguments
            return await self._perform(tool, effect, sent, context)
        except Unconfirmed as question:
            asked = await ask(context, name, question)
        return asked or await self._perform(tool, effect, arguments | agreed, context)

    async def _call_custom(
        self, name: str, arguments: dict[str, Any], context: ToolContext | None
    ) -> CallToolResult | InputRequiredResult:
        found = None
        if self._custom is not None and context is not None:
            try:
                found = (await self._custom.enabled()).get(name)
            except SQLAlchemyError as error:
                raise UnexpectedToolError(_FAILED.format("The tool")) from error
        if found is None or context is None:
            raise MCPError(code=INVALID_PARAMS, message="Unknown tool; tools/list names those there are.")
        return await custom_tools.call(found, arguments, context)

    async def _perform(
        self, tool: Tool, effect: Effect | None, arguments: dict[str, Any], context: ToolContext | None
    ) -> CallToolResult | InputRequiredResult:
        if effect is None or context is None:
            return await self._run(tool, arguments, context)
        try:
            return await self._run_once(effect, arguments, context)
        except SQLAlchemyError as error:
            raise UnexpectedToolError(_FAILED.format(tool.name)) from error

    async def _run_once(
        self, effect: Effect, arguments: dict[str, Any], context: ToolContext
    ) -> CallToolResult | InputRequiredResult:
        """Run the tool, or return what it answered when this call came before."""
        db = deps(context).db
        await effect.clear_old(db)
        try:
            with carrying(effect):
                return await self._run(effect.tool, arguments, context)
        except UnexpectedToolError:
            raise
        except ToolError:
            # What its first call did may be why a repeat fails: what it created exists.
            kept = await effect.kept(db)
            if kept is None:
                raise
            return kept

    async def _run(
        self, tool: Tool, arguments: dict[str, Any], context: ToolContext | None
    ) -> CallToolResult | InputRequiredResult:
        try:
            return await super().call_tool(tool.name, arguments, context)
        except UnexpectedToolError as error:
            # The cause goes to the log; the model learns only that trying again may help.
            raise UnexpectedToolError(_FAILED.format(tool.name)) from error
        except ToolError as error:
            raise _plain(tool, error) from error.__cause__


def _told(error: ToolError, meta: dict[str, Any]) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=str(error))], is_error=True, _meta=meta)


def _only_reads(tool: Tool) -> bool:
    return tool.annotations is not None and tool.annotations.read_only_hint is True


async def _known(custom: CustomTools) -> Iterable[Enabled]:
    """The custom tools there are; those there were while the database is away, which the others need not."""
    try:
        return (await custom.enabled()).values()
    except AWAY:
        _log.warning("the database is away, at a list of tools")
        return custom.last.values()


def _is_away(error: BaseException | None) -> bool:
    """Whether the database could not be reached."""
    while error is not None and not isinstance(error, AWAY):
        error = error.__cause__
    return error is not None


def _plain(tool: Tool, error: ToolError) -> ToolError:
    """The same error without the SDK's prefix, and without Pydantic's words."""
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        return ToolError(argument_error(tool.name, tool.parameters, cause))
    if isinstance(cause, Unconfirmed):
        return Unconfirmed(str(cause))
    return ToolError(str(cause)) if isinstance(cause, ToolError) else error


def create_server(
    deps: Deps, *, tools: Iterable[Tool] = BUILT_IN, public_url: str | None = None
) -> ToolServer:
    """The tool server over `deps`; at `public_url`, without a slash at its end, it has icons."""

    @asynccontextmanager
    async def lifespan(_: MCPServer[Deps]) -> AsyncGenerator[Deps]:
        yield deps

    return ToolServer(
        list(tools),
        deps.custom,
        public_url,
        name="turnlog",
        title="Turnlog tools",
        version=version("turnlog"),
        instructions=_INSTRUCTIONS,
        lifespan=lifespan,
        cache_hints=_CACHED if deps.custom is None else {**_CACHED, "tools/list": _CHANGING},
        # Nobody tells of changes: to offer it would hold a stream open for each client that waits for them.
        subscriptions=False,
        log_level="WARNING",
    )
