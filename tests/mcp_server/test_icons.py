"""Pictures of the tools, by address where the server has one."""

from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest
from mcp import Client

from chat_api.main import create_app
from kit.postgres import Db
from mcp_server.tools import BUILT_IN
from tests.chat_api.replica import settings_for
from tests.mcp_server.doors import ERAS, Era, in_memory, over_http
from tests.model_server import serve

PUBLIC = "https://tools.example.com"


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Generator[str]:
    settings = settings_for(database_url, "http://127.0.0.1:1/v1", data_dir=tmp_path, public_url=PUBLIC)
    with serve(create_app(settings)) as url:
        yield url


async def pictures(client: Client) -> dict[str, list[str]]:
    listed = (await client.list_tools()).tools
    return {tool.name: [icon.src for icon in tool.icons or ()] for tool in listed}


@pytest.mark.parametrize("era", ERAS)
async def test_each_tool_has_a_picture_at_the_public_address(api: str, era: Era) -> None:
    async with over_http(api, "alice", era) as client:
        found = await pictures(client)
    assert found.keys() == {tool.name for tool in BUILT_IN}
    assert found["add_todo"] == [f"{PUBLIC}/icons/todos.svg"]
    with httpx2.Client(base_url=api, trust_env=False) as http:
        for [address] in found.values():
            picture = http.get(address.removeprefix(PUBLIC))
            assert picture.headers["Content-Type"] == "image/svg+xml"
            assert picture.headers["Content-Security-Policy"] == "default-src 'none'"
            assert picture.content.startswith(b"<svg ")
            assert b"<script" not in picture.content


@pytest.mark.parametrize("name", ["nothing", "..%2fserver", "%2e%2e", "turnlog.svg", "a" * 5000])
def test_there_are_no_other_pictures(api: str, name: str) -> None:
    with httpx2.Client(base_url=api, trust_env=False) as http:
        assert http.get(f"/icons/{name}.svg").status_code == 404


@pytest.mark.parametrize("era", ERAS)
async def test_without_an_address_there_are_none(db: Db, tmp_path: Path, era: Era) -> None:
    async with in_memory(db, tmp_path, "alice", era) as client:
        assert set(map(len, (await pictures(client)).values())) == {0}
