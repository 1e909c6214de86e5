"""Completions of arguments, through the official client, in both eras."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import INVALID_PARAMS, Completion, PromptReference, ResourceTemplateReference

from kit.postgres import Db
from mcp_server import completions
from tests.mcp_server.doors import ERAS, Era, folder_of, in_memory, put, refusal

pytestmark = pytest.mark.parametrize("era", ERAS)

FILE = ResourceTemplateReference(uri="file:///{+path}")
TODO = ResourceTemplateReference(uri="todo://{id}")
NOTHING = Completion(values=[], total=0, has_more=False)


@pytest.fixture
def folder(tmp_path: Path, user: str) -> Path:
    return folder_of(tmp_path, user)


@pytest.fixture
async def client(shared_db: Db, tmp_path: Path, user: str, era: Era) -> AsyncGenerator[Client]:
    async with in_memory(shared_db, tmp_path, user, era) as client:
        yield client


async def completed(client: Client, ref: Any, name: str, value: str) -> Completion:
    return (await client.complete(ref, {"name": name, "value": value})).completion


async def test_paths_are_completed_one_folder_at_a_time(
    client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("Notes/shop.txt", "Notes/deep/x.md", "notes.txt", "a.txt"):
        put(folder, path, b"x")
    (folder / "nolink").symlink_to("/etc/passwd")
    for ref in (FILE, PromptReference(name="summarise_file")):
        for typed, values in {
            "": ["Notes/", "a.txt", "notes.txt"],
            "no": ["Notes/", "notes.txt"],
            "Notes/": ["Notes/deep/", "Notes/shop.txt"],
            "Notes/S": ["Notes/shop.txt"],
            "x": [],
        }.items():
            found = await completed(client, ref, "path", typed)
            assert found == Completion(values=values, total=len(values), has_more=False)
    for path in range(150):
        put(folder, f"many/{path:03}", b"")
    found = await completed(client, FILE, "path", "many/")
    assert (len(found.values), found.total, found.has_more) == (100, 150, True)
    monkeypatch.setattr(completions, "MOST", 2)
    assert (await completed(client, FILE, "path", "")).has_more


async def test_hostile_paths_complete_to_nothing(client: Client, folder: Path) -> None:
    put(folder.parent, "secret.txt", b"x")
    (folder / "above").symlink_to(folder.parent)
    for typed in (
        *("../", "..", "/", "/etc/", "//", "~/", "a/../../", "..\\", "\x00", "a\x00/", "above/", "missing/"),
        *("%2e%2e/", "a" * 10_000, "a/" * 40, "é" * 500 + "/"),
    ):
        found = await completed(client, FILE, "path", typed)
        assert (typed, found) == (typed, NOTHING)


async def test_todos_are_completed_by_id_and_title(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    ids: dict[str, str] = {}
    for title in ("Buy milk", "Buy 100% wool", "Rent"):
        added = (await client.call_tool("add_todo", {"title": title})).structured_content
        assert added
        ids[title] = added["id"]
    await client.call_tool("complete_todo", {"id": ids["Rent"]})
    newest = [ids["Buy 100% wool"], ids["Buy milk"], ids["Rent"]]
    assert (await completed(client, TODO, "id", "")).values == newest
    assert (await completed(client, TODO, "id", "buy")).values == newest[:2]
    assert (await completed(client, TODO, "id", "100%")).values == newest[:1]
    assert (await completed(client, TODO, "id", ids["Rent"][:-2].upper())).values == newest[2:]
    for typed in ("%", "_", "\\", "'", "\x00", "x" * 10_000):
        found = await completed(client, TODO, "id", typed)
        assert (typed, found.total) == (typed, 1 if typed == "%" else 0)
    monkeypatch.setattr(completions, "MOST", 2)
    assert await completed(client, TODO, "id", "") == Completion(values=newest[:2], total=3, has_more=True)


async def test_arguments_of_prompts_are_completed(client: Client) -> None:
    for title, tags in (("a", ["home", "hobby"]), ("b", ["home", "work"])):
        await client.call_tool("add_todo", {"title": title, "tags": tags})
    await client.call_tool("add_todo", {"title": "c", "tags": ["holidays"]})
    await client.call_tool("complete_todo", {"id": "c"})
    review, summarise = PromptReference(name="review_todos"), PromptReference(name="summarise_file")
    assert (await completed(client, review, "tag", "Ho")).values == ["hobby", "home"]
    assert (await completed(client, review, "tag", "h%")) == NOTHING
    assert (await completed(client, summarise, "length", "")).values == ["short", "medium", "long"]
    assert (await completed(client, summarise, "length", "M")).values == ["medium"]
    assert await completed(client, PromptReference(name="plan_my_day"), "day", "to") == NOTHING


async def test_what_has_no_completions_is_told(client: Client) -> None:
    wrong: list[tuple[Any, str, str]] = [
        (PromptReference(name="SECRET"), "x", "prompts/list"),
        (PromptReference(name="review_todos"), "SECRET", "tag"),
        (ResourceTemplateReference(uri="SECRET://{id}"), "id", "resources/templates/list"),
        (ResourceTemplateReference(uri="file:///" + "a" * 10_000), "path", "resources/templates/list"),
        (FILE, "SECRET", "path"),
        (TODO, "", "id"),
    ]
    for ref, name, told in wrong:
        code, sentence = await refusal(completed(client, ref, name, "x"))
        assert (ref, name, code) == (ref, name, INVALID_PARAMS)
        assert told in sentence
        assert "SECRET" not in sentence
