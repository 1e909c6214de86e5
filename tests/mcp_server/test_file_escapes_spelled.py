"""More than a thousand spellings of a way out of a user's folder, by every door that takes a path."""

import json
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import quote
from zlib import crc32

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import PromptReference

from kit.postgres import Db, open_db
from tests.clients import Connect, text_of
from tests.mcp_server.path_forms import leads_out, path_forms
from tests.mcp_server.traps import World, laid, unsynced

LEAST: Final = 1000
# With EVERY_ESCAPE each spelling at each door, otherwise each at one or two of them, by the resources, which
# alone decode, and by a program.
_SHARE: Final = 1 if os.environ.get("EVERY_ESCAPE") else 4
_A_PROGRAM: Final = 100
_LONG: Final = 400
_INSIDE: Final = ("inside/note.txt", "a%20b", "...", "a;b|c", "./inside/./x", "inside/../inside/x", "日本語")

Door: TypeAlias = Callable[[Client, str], Awaitable[str]]
"""Sends a path to one place that takes one; returns all that is told."""


@pytest.fixture
async def db() -> AsyncGenerator[Db]:
    """Files need no database, so this one is never connected to."""
    async with open_db("postgresql://localhost/none") as db:
        yield db


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    unsynced(monkeypatch)
    return laid(tmp_path)


def _tool(name: str, **arguments: Any) -> Door:
    async def send(client: Client, path: str) -> str:
        answer = await client.call_tool(name, arguments | {"path": path})
        return text_of(answer) + json.dumps(answer.structured_content)

    return send


async def _write_and_delete(client: Client, path: str) -> str:
    """What is a name inside is deleted again, so that the folder does not fill up."""
    told = await _tool("write_file", content="mine")(client, path)
    return told + await _tool("delete_file", confirm=True)(client, path)


async def _resource(client: Client, path: str) -> str:
    told = ""
    for uri in (
        f"file:///{path}",
        f"file:///{quote(path, safe='')}",
        f"file://localhost/{quote(path)}",
        f"FILE:{path}",
    ):
        try:
            told += (await client.read_resource(uri)).model_dump_json()
        except MCPError as error:
            told += error.message
    return told


async def _prompt(client: Client, path: str) -> str:
    try:
        return (await client.get_prompt("summarise_file", {"path": path})).model_dump_json()
    except MCPError as error:
        return error.message


async def _completion(client: Client, path: str) -> str:
    folder = path.removesuffix("canary.txt").removesuffix("passwd")
    argument = {"name": "path", "value": folder}
    completed = await client.complete(PromptReference(name="summarise_file"), argument)
    assert not any("canary" in value or "passwd" in value for value in completed.completion.values), folder
    return ""


_DOORS: Final[dict[str, Door]] = {
    "read_file": _tool("read_file"),
    "list_files": _tool("list_files", recursive=True),
    "search_files": _tool("search_files", query="a"),
    "write_file and delete_file": _write_and_delete,
    "resources": _resource,
    "prompts": _prompt,
    "completions": _completion,
}


def _is_tried(door: str, path: str) -> bool:
    # By its checksum: each n-th of a product would be the same few of its factors.
    number = list(_DOORS).index(door)
    return door == "resources" or crc32(path.encode(errors="surrogatepass")) % _SHARE == number % _SHARE


def _assert_harmless(path: str, told: str) -> None:
    for word in ("CANARY", "root:x:", "inside the server", "Errno", "Traceback"):
        assert word not in told, ascii(path)


@pytest.mark.parametrize("door", _DOORS)
async def test_no_spelling_leads_out(world: World, connect: Connect, door: str) -> None:
    before, tried = world.outside(), 0
    async with connect("alice") as client:
        for path in filter(partial(_is_tried, door), path_forms(world.root)):
            _assert_harmless(path, await _DOORS[door](client, path))
            tried += 1
    assert tried >= LEAST // _SHARE
    assert world.outside() == before


async def test_no_spelling_leads_a_program_out(world: World, connect: Connect) -> None:
    before, tried = world.outside(), 0
    async with connect("alice") as client:
        for code in _programs(world.root):
            ran: Any = await client.call_tool("run_python", {"code": code})
            assert not ran.is_error, text_of(ran)
            _assert_harmless(code, json.dumps(ran.structured_content))
            tried += ran.structured_content["value"]
    assert tried >= LEAST
    assert world.outside() == before


def _programs(root: Path) -> Iterator[str]:
    paths = [path for path in path_forms(root) if len(path) < _LONG]
    for first in range(0, len(paths), _A_PROGRAM):
        yield (
            "seen = 0\n"
            f"for path in {paths[first : first + _A_PROGRAM]!a}:\n"
            "    seen += 1\n"
            "    try:\n"
            "        print(read_file(path))\n"
            "    except RuntimeError as error:\n"
            "        pass\n"
            "seen"
        )


def test_each_spelling_leads_out_where_it_is_read_eagerly(world: World) -> None:
    """The corpus is one: whoever decodes or cleans a path after looking at it is led out by all of it."""
    forms = list(path_forms(world.root))
    assert len(forms) >= LEAST
    assert [form for form in forms if not leads_out(form, world.alice)] == []
    assert not any(leads_out(form, world.alice) for form in _INSIDE)


async def test_a_way_out_would_be_seen(world: World, connect: Connect) -> None:
    """What the tests above look for is told where somebody does read it."""
    (world.alice / "mine.txt").write_text("CANARY")
    async with connect("alice") as client:
        for door in ("read_file", "resources", "prompts"):
            told = await _DOORS[door](client, "mine.txt")
            with pytest.raises(AssertionError):
                _assert_harmless("mine.txt", told)
    before = world.outside()
    (world.root / "secret/canary.txt").write_text("mine")
    assert world.outside() != before
