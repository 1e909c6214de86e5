"""Tools whose database is away."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from mcp import Client

from kit.postgres import open_db
from mcp_server.context import Deps, SearchConfig
from mcp_server.server import create_server
from tests.chat_api.processes import free_port
from tests.clients import text_of
from tests.mcp_server.dying import meta


@pytest.mark.parametrize("key", [None, "k"])
async def test_a_call_that_finds_the_database_away_may_be_repeated(tmp_path: Path, key: str | None) -> None:
    async with open_db(f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/none") as db:
        deps = Deps(db, tmp_path, SearchConfig("off"), ZoneInfo("Europe/Berlin"), "alice")
        async with Client(create_server(deps)) as client:
            failed = await client.call_tool("add_todo", {"title": "Milk"}, meta=meta(key))
    assert text_of(failed) == "add_todo failed inside the server; try again."
    assert failed.is_error
    assert (failed.meta or {})["turnlog/try-again"] is True
