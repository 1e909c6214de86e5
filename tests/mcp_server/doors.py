"""The ways to the tool server, in both eras: in memory, over Streamable HTTP, and on stdio."""

import os
from collections.abc import AsyncGenerator, Awaitable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from kit.ids import owner_id
from kit.postgres import Db
from kit.tokens.keys import BUILT_IN_ISSUER
from mcp_server.context import Deps, SearchConfig
from mcp_server.server import create_server
from tests.programs import BIN
from tests.servers import mcp_token

__all__ = ["ERAS", "Era", "folder_of", "in_memory", "over_http", "over_stdio", "put", "refusal"]

Era: TypeAlias = Literal["2026-07-28", "legacy"]
ERAS: Final[tuple[Era, ...]] = ("2026-07-28", "legacy")


def in_memory(db: Db, files: Path, user: str, era: Era, **options: Any) -> Client:
    deps = Deps(db, files, SearchConfig("off"), ZoneInfo("Europe/Berlin"), user)
    return Client(create_server(deps), mode=era, **options)


@asynccontextmanager
async def over_http(url: str, user: str, era: Era, **options: Any) -> AsyncGenerator[Client]:
    headers = {"Authorization": f"Bearer {mcp_token(user)}"}
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False, timeout=30) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=era, **options) as client,
    ):
        yield client


def over_stdio(
    database: str, files: Path, user: str, era: Era, **options: Any
) -> AbstractAsyncContextManager[Client]:
    names = {"DATABASE_URL": database, "FILES_ROOT": str(files), "TURNLOG_USER": user}
    program = StdioServerParameters(
        command=str(BIN / "turnlog-mcp"), args=[], env={**os.environ, **names, "SEARCH_BACKEND": "off"}
    )
    return Client(program, mode=era, **options)


def folder_of(files: Path, user: str) -> Path:
    folder = files / str(owner_id(BUILT_IN_ISSUER, user))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def put(folder: Path, path: str, content: bytes) -> None:
    """Have a file there, as somebody with access to the disk would."""
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(content)


async def refusal(request: Awaitable[Any]) -> tuple[int, str]:
    """The code and the sentence of a request that is meant to fail."""
    with pytest.raises(MCPError) as raised:
        await request
    return raised.value.code, raised.value.message
