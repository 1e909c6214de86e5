"""Real clients for tests."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import pytest
from mcp import Client
from mcp_types import CallToolResult, TextContent

from kit.postgres import Db
from mcp_server.context import Deps, SearchConfig
from mcp_server.server import create_server

Connect: TypeAlias = Callable[..., AbstractAsyncContextManager[Client]]
Call: TypeAlias = Callable[..., Awaitable[Any]]


@pytest.fixture
def connect(db: Db, tmp_path: Path) -> Connect:
    """Connect the official client to a tool server of this test's database, as a user of one's choice."""

    @asynccontextmanager
    async def connect(
        user: str = "alice", search: SearchConfig | None = None, timezone: str = "Europe/Berlin"
    ) -> AsyncGenerator[Client]:
        deps = Deps(db, tmp_path / "files", search or SearchConfig("off"), ZoneInfo(timezone), user)
        async with Client(create_server(deps)) as client:
            yield client

    return connect


@pytest.fixture
async def client(connect: Connect) -> AsyncGenerator[Client]:
    async with connect() as client:
        yield client


@pytest.fixture
def call(client: Client) -> Call:
    """Call a tool that is meant to succeed; return its structured content."""

    async def call(name: str, **arguments: Any) -> Any:
        result = await client.call_tool(name, arguments)
        assert not result.is_error, text_of(result)
        return result.structured_content

    return call


@pytest.fixture
def refused(client: Client) -> Callable[..., Awaitable[str]]:
    """Call a tool that is meant to fail; return what it says."""

    async def refused(name: str, **arguments: Any) -> str:
        result = await client.call_tool(name, arguments)
        assert result.is_error, result.structured_content
        return text_of(result)

    return refused


def text_of(result: CallToolResult) -> str:
    return "".join(block.text for block in result.content if isinstance(block, TextContent))
