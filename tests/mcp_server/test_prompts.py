"""Prompts, through the official client, in both eras."""

import json
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from mcp import Client
from mcp_types import (
    INVALID_PARAMS,
    BlobResourceContents,
    EmbeddedResource,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from kit.postgres import Db
from tests.mcp_server.doors import ERAS, Era, folder_of, in_memory, put, refusal

pytestmark = pytest.mark.parametrize("era", ERAS)


@pytest.fixture
def folder(tmp_path: Path, user: str) -> Path:
    return folder_of(tmp_path, user)


@pytest.fixture
async def client(shared_db: Db, tmp_path: Path, user: str, era: Era) -> AsyncGenerator[Client]:
    async with in_memory(shared_db, tmp_path, user, era) as client:
        yield client


async def filled(client: Client, name: str, **arguments: str) -> tuple[Any, str]:
    """What a prompt attaches, and what it says."""
    attached, said = (await client.get_prompt(name, arguments)).messages
    assert attached.role == said.role == "user"
    assert isinstance(said.content, TextContent)
    content = attached.content
    return content.resource if isinstance(content, EmbeddedResource) else content, said.content.text


async def test_they_are_listed_with_their_arguments(client: Client) -> None:
    listed = await client.list_prompts()
    shown = {
        prompt.name: [(each.name, each.required) for each in prompt.arguments or []]
        for prompt in listed.prompts
    }
    assert shown == {
        "plan_my_day": [("day", False), ("hours", False)],
        "review_todos": [("tag", False)],
        "summarise_file": [("path", True), ("length", False)],
    }
    for prompt in listed.prompts:
        assert prompt.title
        assert prompt.description
        assert all(each.description for each in prompt.arguments or [])
    assert listed.next_cursor is None
    assert (await refusal(client.list_prompts(cursor="x")))[0] == INVALID_PARAMS


async def test_a_day_is_planned_from_the_open_todos(client: Client) -> None:
    await client.call_tool("add_todo", {"title": "Milk"})
    todos, said = await filled(client, "plan_my_day", day="tomorrow", hours=" 9 to 12 ")
    assert isinstance(todos, TextResourceContents)
    assert (todos.uri, todos.mime_type) == ("todo://open", "application/json")
    assert [todo["title"] for todo in json.loads(todos.text)["todos"]] == ["Milk"]
    today = datetime.now(ZoneInfo("Europe/Berlin")).date()
    assert {f"{today + timedelta(days)}" in said for days in (0, 1)} == {True}
    assert "The time I have: 9 to 12." in said
    assert "Europe/Berlin" in said
    for nothing in ({}, {"day": " "}):
        assert f"Plan my {today:%A}, {today}." in (await filled(client, "plan_my_day", **nothing))[1]
    code, sentence = await refusal(client.get_prompt("plan_my_day", {"day": "no day"}))
    assert (code, "ISO 8601" in sentence) == (INVALID_PARAMS, True)


async def test_todos_are_reviewed(client: Client) -> None:
    todos, said = await filled(client, "review_todos", tag="home")
    assert json.loads(todos.text)["todos"] == []
    assert "with the tag home." in said
    assert "tag" not in (await filled(client, "review_todos"))[1]


async def test_a_file_is_attached_or_linked(client: Client, folder: Path) -> None:
    put(folder, "n/a.md", b"# Title\n")
    put(folder, "x.png", b"\x89PNG\x00")
    put(folder, "long.txt", b"a" * 100_001)
    file, said = await filled(client, "summarise_file", path="n/a.md", length="short")
    assert isinstance(file, TextResourceContents)
    assert (file.uri, file.mime_type, file.text) == ("file:///n/a.md", "text/markdown", "# Title\n")
    assert "n/a.md, which is attached, in at most three sentences" in said
    file, _ = await filled(client, "summarise_file", path="x.png")
    assert isinstance(file, BlobResourceContents)
    file, said = await filled(client, "summarise_file", path="long.txt")
    assert isinstance(file, ResourceLink)
    assert (file.uri, file.mime_type) == ("file:///long.txt", "text/plain")
    assert "read_file" in said


async def test_what_cannot_be_filled_in_is_told(client: Client, folder: Path) -> None:
    put(folder, "n/a.md", b"x")
    put(folder.parent, "secret.txt", b"secret")
    (folder / "link").symlink_to(folder.parent / "secret.txt")
    wrong: list[tuple[str, dict[str, str], str]] = [
        ("SECRET", {}, "prompts/list"),
        ("", {}, "prompts/list"),
        ("summarise_file", {}, "`path`"),
        ("summarise_file", {"path": " "}, "`path`"),
        ("summarise_file", {"path": "n/a.md", "SECRET": "x"}, "path, length"),
        ("summarise_file", {"path": "n/a.md", "length": "SECRET"}, "short, medium, long"),
        ("summarise_file", {"path": "n"}, "list_files"),
        ("summarise_file", {"path": "."}, "list_files"),
        ("summarise_file", {"path": "SECRET"}, "list_files"),
        ("summarise_file", {"path": "a" * 10_000}, "1000 characters"),
        ("summarise_file", {"path": "../secret.txt"}, "inside the user's folder"),
        ("summarise_file", {"path": "/etc/passwd"}, "inside the user's folder"),
        ("summarise_file", {"path": "n/a.md\x00"}, "control characters"),
        ("summarise_file", {"path": "link"}, "a link"),
        ("review_todos", {"tags": "SECRET"}, "tag"),
    ]
    for name, arguments, told in wrong:
        code, sentence = await refusal(client.get_prompt(name, arguments))
        assert (name, arguments, code) == (name, arguments, INVALID_PARAMS)
        assert told in sentence
        assert "SECRET" not in sentence
