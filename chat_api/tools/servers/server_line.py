"""One person's line to another MCP server: what is asked over it ends in time, and fails alone."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import (
    HEADER_MISMATCH,
    REQUEST_TIMEOUT,
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    Implementation,
    InputRequiredResult,
    ListToolsRequest,
    ListToolsResult,
    PaginatedRequestParams,
)
from mcp_types import Tool as McpTool
from pydantic import TypeAdapter

from chat_api.auth.service import Deputy
from chat_api.tools.function_tools import KEY, failed, outcome, refusal
from chat_api.tools.line import Line, LineBroken, has_ended
from chat_api.tools.servers.exchange import (
    CURRENT,
    Credential,
    Exchange,
    GuardedTransport,
    Network,
    Trouble,
)
from chat_api.tools.servers.registry import Server
from chat_api.tools.servers.secrets import audience_of, bound_to
from kit.sealing import NoSealingKey, Sealer, Unsealable

__all__ = ["Listed", "ServerFailed", "ServerLine"]

_OPEN_SECONDS: Final = 15.0
_LIST_SECONDS: Final = 20.0
_IDLE_SECONDS: Final = 300.0
_GRACE: Final = 2.0
_OPENING_BYTES: Final = 256_000
_LIST_BYTES: Final = 1_000_000
_CALL_BYTES: Final = 2_000_000
_MOST_PAGES: Final = 20
_MOST_LISTED: Final = 1_000
_SHORTEST_LIFETIME: Final = 5.0
_LONGEST_LIFETIME: Final = 60.0
_UNREACHED: Final = "The MCP server of this tool cannot be reached; the call did not happen."
_NO_ANSWER: Final = "The MCP server of this tool did not answer as it should; the call may have happened."
_TOO_MUCH: Final = "The MCP server of this tool answered with more than is taken from it; ask it for less."
_ASKS: Final = (
    "This tool wants to ask the user something in the middle of a call, which is not possible here."
)
_ANSWER: Final[TypeAdapter[CallToolResult | InputRequiredResult]] = TypeAdapter(
    CallToolResult | InputRequiredResult
)
# All that the SDK has been seen to raise at answers that make no sense.
_FAILURES: Final = (
    MCPError,
    RuntimeError,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    httpx2.HTTPError,
    anyio.ClosedResourceError,
    anyio.BrokenResourceError,
    anyio.EndOfStream,
)


class ServerFailed(Exception):
    """There is no answer. `told`: what a model is told of the call; `reason`: the error, for the log."""

    def __init__(self, trouble: Trouble, reason: str, told: dict[str, Any]) -> None:
        super().__init__(trouble)
        self.trouble: Final[Trouble] = trouble
        self.reason: Final = reason
        self.told: Final = told


@dataclass(frozen=True, slots=True)
class Listed:
    """The tools of a server. `complete`: it had no more; `lifetime`: seconds that they may stay the same."""

    tools: list[McpTool]
    complete: bool
    lifetime: float


class ServerLine:
    """`busy`: how much is being asked over it now."""

    def __init__(self, server: Server, deputy: Deputy, sealer: Sealer, network: Network) -> None:
        self.server: Final = server
        self.busy = 0
        self._deputy: Final = deputy
        self._sealer: Final = sealer
        self._network: Final = network
        self._opening = Exchange(_OPENING_BYTES)
        self._line: Final = Line(
            f"{server.name} ({server.id})",
            self._open,
            patience=_OPEN_SECONDS,
            idle=_IDLE_SECONDS,
            is_busy=lambda: self.busy > 0,
        )

    @property
    def is_open(self) -> bool:
        return self._line.is_open

    def drop(self) -> None:
        self._line.drop()

    async def close(self) -> None:
        await self._line.close()

    async def greet(self) -> Client:
        """The client, which knows who the server says that it is. Raises ServerFailed."""
        async with self._asking(Exchange(_OPENING_BYTES), _OPEN_SECONDS) as client:
            return client

    async def tools(self) -> Listed:
        """What the server lists, up to a bound. Raises ServerFailed."""
        exchange = Exchange(_LIST_BYTES)
        try:
            return await self._tools(exchange)
        except ServerFailed:
            if not exchange.gone:
                raise
        self._line.drop()
        return await self._tools(Exchange(_LIST_BYTES))

    async def call(
        self, name: str, arguments: dict[str, Any], key: str, *, repeatable: bool
    ) -> dict[str, Any]:
        """Call the tool; return its result or its error.

        The call is made again, once, where the server has lost our session, and so cannot have taken it, and
        where it broke off a call that does no harm twice.
        """
        exchange = Exchange(_CALL_BYTES)
        try:
            return await self._call(exchange, name, arguments, key)
        except ServerFailed as failure:
            if not exchange.gone and not (exchange.away and repeatable):
                return failure.told
        if exchange.gone:
            self._line.drop()
        try:
            return await self._call(Exchange(_CALL_BYTES), name, arguments, key)
        except ServerFailed as failure:
            return failure.told

    async def _tools(self, exchange: Exchange) -> Listed:
        async with self._asking(exchange, _LIST_SECONDS) as client:
            return await _list(client)

    async def _call(
        self, exchange: Exchange, name: str, arguments: dict[str, Any], key: str
    ) -> dict[str, Any]:
        seconds = float(self.server.timeout_seconds)
        params = CallToolRequestParams(name=name, arguments=arguments, _meta={KEY: key})
        request = CallToolRequest(params=params)
        async with self._asking(exchange, seconds + _GRACE) as client:
            # Not `call_tool`, which checks results by the server's own schema: a pattern can take for ever.
            try:
                result = await client.session.send_request(request, _ANSWER, seconds)
            except MCPError as error:
                if error.code != HEADER_MISMATCH:
                    raise
                # The arguments that the tool wants in headers are learnt by listing it.
                await client.session.list_tools()
                result = await client.session.send_request(request, _ANSWER, seconds)
            return outcome(result) if isinstance(result, CallToolResult) else failed(_ASKS)

    @asynccontextmanager
    async def _asking(self, exchange: Exchange, seconds: float) -> AsyncGenerator[Client]:
        """The client, for so long. Raises ServerFailed for whatever goes wrong."""
        exchange.deadline = time.monotonic() + seconds
        before = CURRENT.set(exchange)
        client: Client | None = None
        self.busy += 1
        try:
            async with asyncio.timeout(seconds):
                client = await self._line.client()
                yield client
        except LineBroken as error:
            trouble = self._opening.trouble or _trouble(error)
            raise ServerFailed(trouble, error.reason, failed(_UNREACHED)) from error
        except _FAILURES as error:
            if client is not None and isinstance(error, MCPError) and has_ended(error):
                self._line.drop(client)
            trouble = exchange.trouble or _trouble(error)
            words = _TOO_MUCH if trouble == "too_much" else _UNREACHED if client is None else _NO_ANSWER
            raise ServerFailed(trouble, type(error).__name__, refusal(error) or failed(words)) from error
        finally:
            self.busy -= 1
            CURRENT.reset(before)

    @asynccontextmanager
    async def _open(self) -> AsyncGenerator[Client]:
        server = self.server
        self._opening = Exchange(_OPENING_BYTES, time.monotonic() + _OPEN_SECONDS)
        CURRENT.set(self._opening)
        http = httpx2.AsyncClient(
            auth=self._credential(),
            transport=GuardedTransport(self._network, anywhere=server.anywhere),
            timeout=server.timeout_seconds + _GRACE,
            headers={"Accept-Encoding": "identity", "User-Agent": "turnlog"},
            max_redirects=0,
            trust_env=False,
        )
        client = Client(
            streamable_http_client(server.url, http_client=http),
            cache=None,
            client_info=Implementation(name="turnlog", version=version("turnlog")),
            read_timeout_seconds=server.timeout_seconds,
        )
        async with http, client:
            yield client

    def _credential(self) -> httpx2.Auth | None:
        server = self.server
        if server.auth == "user":
            audience = audience_of(server)
            return Credential(lambda: ("Authorization", f"Bearer {self._deputy.token(audience)}"))
        if server.secret is None:
            return None
        try:
            secret = self._sealer.open(server.secret, bound_to(server.id, server.user_id, server.url))
        except (Unsealable, NoSealingKey):
            self._opening.trouble = "secret_lost"
            raise
        if server.header is not None:
            header = server.header
            return Credential(lambda: (header, secret))
        return Credential(lambda: ("Authorization", f"Bearer {secret}"))


async def _list(client: Client) -> Listed:
    found: list[McpTool] = []
    cursor, lifetime = None, _LONGEST_LIFETIME
    for _ in range(_MOST_PAGES):
        # Not `list_tools`, by which the SDK keeps all output schemas.
        request = ListToolsRequest(params=PaginatedRequestParams(cursor=cursor))
        page = await client.session.send_request(request, ListToolsResult)
        found += page.tools
        if "ttl_ms" in page.model_fields_set:
            lifetime = min(lifetime, max(page.ttl_ms / 1000, _SHORTEST_LIFETIME))
        cursor = page.next_cursor
        if cursor is None or len(found) > _MOST_LISTED:
            break
    return Listed(found[:_MOST_LISTED], cursor is None and len(found) <= _MOST_LISTED, lifetime)


def _trouble(error: Exception) -> Trouble:
    timed_out = isinstance(error, TimeoutError) or (
        isinstance(error, MCPError) and error.code == REQUEST_TIMEOUT
    )
    late = isinstance(error, LineBroken) and error.reason == TimeoutError.__name__
    return "timed_out" if timed_out or late else "not_mcp"
