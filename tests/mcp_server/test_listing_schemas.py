"""What clients get to know of each tool, and send to their models with every request."""

import json
from collections.abc import AsyncGenerator, Generator, Iterator
from pathlib import Path
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from mcp import Client
from mcp_types import Tool

from kit.postgres import Db
from mcp_server.context import Deps, SearchConfig
from mcp_server.schemas import lean
from mcp_server.server import create_server
from mcp_server.tools import BUILT_IN
from tests.clients import text_of
from tests.mcp_server.doors import ERAS, Era
from tests.web_server import WebServer, serve_web

MOST_TOKENS: Final = 600
CHARACTERS_OF_A_TOKEN: Final = 4


@pytest.fixture(scope="module")
def web() -> Generator[WebServer]:
    with serve_web() as web:
        yield web


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> Era:
    return request.param


@pytest.fixture
async def client(
    shared_db: Db, web: WebServer, tmp_path: Path, user: str, era: Era
) -> AsyncGenerator[Client]:
    search = SearchConfig("searxng", f"{web.url}/sx/", frozenset({web.host}))
    deps = Deps(shared_db, tmp_path, search, ZoneInfo("Europe/Berlin"), user)
    async with Client(create_server(deps), mode=era) as client:
        yield client


async def tools_of(client: Client) -> dict[str, Tool]:
    return {tool.name: tool for tool in (await client.list_tools()).tools}


def schemas_in(schema: Any) -> Iterator[dict[str, Any]]:
    """The schema and all those in it."""
    for inside in cast("list[Any]", schema) if isinstance(schema, list) else ():
        yield from schemas_in(inside)
    if isinstance(schema, dict):
        members = cast("dict[str, Any]", schema)
        yield members
        for key, value in members.items():
            yield from schemas_in(list(value.values()) if key in {"properties", "$defs"} else value)


def wrong_in(value: Any, schema: Any) -> list[str]:
    validator: Any = Draft202012Validator(schema, format_checker=FormatChecker())
    return [error.message for error in validator.iter_errors(value)]


async def test_each_tool_is_short(client: Client) -> None:
    tools = await tools_of(client)
    assert tools.keys() == {tool.name for tool in BUILT_IN}
    for name, tool in tools.items():
        sent = json.dumps(tool.model_dump(mode="json", by_alias=True, exclude_none=True), ensure_ascii=False)
        assert len(sent) <= MOST_TOKENS * CHARACTERS_OF_A_TOKEN, name


async def test_schemas_are_valid_and_say_nothing_twice(client: Client) -> None:
    for name, tool in (await tools_of(client)).items():
        for schema in (tool.input_schema, tool.output_schema):
            assert schema is not None
            Draft202012Validator.check_schema(schema)
            inside = list(schemas_in(schema))
            assert not [each for each in inside if "title" in each or "$defs" in each or "$ref" in each], name
            assert not [each for each in inside if each.get("default", "") is None], name
        for argument, schema in tool.input_schema["properties"].items():
            assert "description" in schema or '"enum"' in json.dumps(schema), (name, argument)


async def test_results_are_what_the_schemas_say(client: Client, web: WebServer) -> None:
    tools = await tools_of(client)
    found = {"results": [{"url": "https://1.test/", "title": "Tide", "content": "High water"}]}
    web.show("/sx/search", json.dumps(found), "application/json")
    todo: Any = (await client.call_tool("add_todo", {"title": "Rent", "due": "tomorrow"})).structured_content
    calls: list[tuple[str, dict[str, Any]]] = [
        ("calculator", {"expression": "0.1 + 0.2"}),
        ("current_time", {}),
        ("convert_time", {"time": "2026-03-29 02:30", "to_timezone": "UTC"}),
        ("write_file", {"path": "a/notes.txt", "content": "hello\n" * 600}),
        ("list_files", {"recursive": True}),
        ("read_file", {"path": "a/notes.txt"}),
        ("search_files", {"query": "hello"}),
        ("delete_file", {"path": "a/notes.txt", "confirm": True}),
        ("add_todo", {"title": "Milk", "tags": ["shop"], "notes": "2 l"}),
        ("list_todos", {"limit": 1}),
        ("update_todo", {"id": todo["id"], "priority": "high"}),
        ("complete_todo", {"id": todo["id"]}),
        ("delete_todo", {"id": todo["id"], "confirm": True}),
        ("web_search", {"query": "high & low"}),
        ("fetch_page", {"url": f"{web.url}/article"}),
        ("run_python", {"code": "print('x')\n{'a': 1}"}),
    ]
    assert tools.keys() == {name for name, _ in calls}
    for name, arguments in calls:
        assert not wrong_in(arguments, tools[name].input_schema)
        result = await client.call_tool(name, arguments)
        assert not result.is_error, (name, text_of(result))
        assert not wrong_in(result.structured_content, tools[name].output_schema), name


def test_a_definition_is_put_where_it_is_used_unless_it_is_used_again() -> None:
    one: dict[str, Any] = {
        "$defs": {
            "Once": {"title": "Once", "type": "object", "properties": {"title": {"$ref": "#/$defs/Inner"}}},
            "Inner": {"type": "string", "title": "Inner"},
            "Twice": {"type": "integer"},
            "Tree": {"type": "array", "items": {"$ref": "#/$defs/Tree"}},
        },
        "properties": {
            "a": {"$ref": "#/$defs/Once", "description": "A"},
            "b": {"$ref": "#/$defs/Twice"},
            "properties": {"$ref": "#/$defs/Twice", "title": "Properties"},
            "tree": {"$ref": "#/$defs/Tree"},
        },
    }
    assert lean(one) == {
        "properties": {
            "a": {"type": "object", "properties": {"title": {"type": "string"}}, "description": "A"},
            "b": {"$ref": "#/$defs/Twice"},
            "properties": {"$ref": "#/$defs/Twice"},
            "tree": {"$ref": "#/$defs/Tree"},
        },
        "$defs": {
            "Twice": {"type": "integer"},
            "Tree": {"type": "array", "items": {"$ref": "#/$defs/Tree"}},
        },
    }
