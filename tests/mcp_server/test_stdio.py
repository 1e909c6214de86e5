"""`turnlog-mcp` on stdio, from the official client."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from mcp_server.tools import BUILT_IN
from tests.clients import text_of
from tests.programs import BIN

pytestmark = pytest.mark.parametrize("mode", ["auto", "legacy"])

_PROGRAM = str(BIN / "turnlog-mcp")


@pytest.fixture
def environment(database_url: str, tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "DATABASE_URL": database_url, "DATA_DIR": str(tmp_path), "SEARCH_BACKEND": "off"}


async def _call_all(client: Client) -> dict[str, Any]:
    """Call each tool once, in an order that makes sense; return its result by its name."""
    results: dict[str, Any] = {}

    async def call(name: str, **arguments: Any) -> Any:
        results[name] = await client.call_tool(name, arguments)
        return results[name].structured_content

    await call("calculator", expression="0.1 + 0.2")
    await call("current_time", timezone="Europe/Berlin")
    await call("convert_time", time="2026-11-21 17:00", from_timezone="UTC", to_timezone="Asia/Tokyo")
    await call("write_file", path="notes.txt", content="hello")
    for name, arguments in {
        "read_file": {"path": "notes.txt"},
        "list_files": {},
        "search_files": {"query": "hell"},
    }.items():
        await call(name, **arguments)
    await call("delete_file", path="notes.txt", confirm=True)
    todo = await call("add_todo", title="Buy milk")
    await call("list_todos")
    await call("update_todo", id=todo["id"], priority="high")
    await call("complete_todo", id=todo["id"])
    await call("delete_todo", id=todo["id"], confirm=True)
    await call("run_python", code="calculator('2 + 2')")
    await call("web_search", query="anything")
    await call("fetch_page", url="http://127.0.0.1/")
    return results


async def test_every_tool_is_listed_and_can_be_called(mode: str, environment: dict[str, str]) -> None:
    server = StdioServerParameters(command=_PROGRAM, args=[], env=environment)
    async with Client(server, mode=mode) as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
        results = await _call_all(client)
    assert listed.keys() == results.keys() == {tool.name for tool in BUILT_IN}
    refused = {name for name, result in results.items() if result.is_error}
    assert refused == {"web_search", "fetch_page"}, {name: text_of(results[name]) for name in refused}
    for tool in listed.values():
        assert tool.title
        assert tool.description
        assert tool.output_schema
        assert tool.annotations


def test_it_ends_with_its_input_and_writes_only_protocol(mode: str, environment: dict[str, str]) -> None:
    version = "2025-11-25" if mode == "legacy" else "2025-06-18"
    info = {"name": "test", "version": "1"}
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": info}
    hello = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}) + "\n"
    done = subprocess.run(
        [_PROGRAM], input=hello, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [line[:11] for line in done.stdout.splitlines()] == ['{"jsonrpc":']
