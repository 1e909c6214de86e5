"""Calls that are repeated with the same key, through the official client."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import anyio.lowlevel
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp import Client
from mcp_types import CallToolResult
from sqlalchemy import text

from kit.ids import owner_id
from kit.postgres import Db
from kit.tokens.keys import BUILT_IN_ISSUER
from mcp_server import effects
from mcp_server.effects import IDEMPOTENCY_KEY
from mcp_server.tools import BUILT_IN
from tests.clients import Connect, text_of
from tests.mcp_server.dying import meta

Keyed: TypeAlias = Callable[..., Awaitable[CallToolResult]]


@pytest.fixture
def keyed(client: Client) -> Keyed:
    """Call a tool with a key, None for no key; return the whole result."""

    async def keyed(key: Any, name: str, **arguments: Any) -> CallToolResult:
        return await client.call_tool(name, arguments, meta=meta(key))

    return keyed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the files of the user `alice` are."""
    return tmp_path / "files" / str(owner_id(BUILT_IN_ISSUER, "alice"))


async def titles(keyed: Keyed, status: str = "all") -> list[str]:
    return [todo["title"] for todo in content(await keyed(None, "list_todos", status=status))["todos"]]


def content(result: CallToolResult) -> Any:
    assert not result.is_error, text_of(result)
    return result.structured_content


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def bytes_of(result: CallToolResult) -> str:
    return json.dumps(result.model_dump(mode="json", by_alias=True))


async def test_a_repeat_changes_nothing_and_is_answered_in_the_same_bytes(keyed: Keyed) -> None:
    arguments = {"title": "Buy milk", "tags": ["b", "a"], "due": "tomorrow 5pm", "notes": "é"}
    first = await keyed("k", "add_todo", **arguments)
    again = await keyed("k", "add_todo", **arguments)
    assert content(first)["title"] == "Buy milk"
    assert bytes_of(first) == bytes_of(again)
    assert await titles(keyed) == ["Buy milk"]


async def test_without_a_key_or_with_another_one_a_repeat_is_a_call_of_its_own(keyed: Keyed) -> None:
    for key in (None, None, "one", "two"):
        await keyed(key, "add_todo", title="Buy milk")
    assert len(await titles(keyed)) == 4


async def test_every_change_of_a_todo_is_made_once(keyed: Keyed) -> None:
    for title in ("Buy milk", "Buy bread"):
        await keyed(None, "add_todo", title=title)
    for name, arguments in (
        ("update_todo", {"id": "milk", "title": "Buy cheese"}),
        ("complete_todo", {"id": "cheese"}),
        ("delete_todo", {"id": "buy", "confirm": True}),
    ):
        first = await keyed(name, name, **arguments)
        assert bytes_of(first) == bytes_of(await keyed(name, name, **arguments)), content(first)
    assert await titles(keyed) == ["Buy cheese"]
    done = await keyed("done", "complete_todo", id="cheese")
    await keyed(None, "delete_todo", id="cheese", confirm=True)
    assert bytes_of(done) == bytes_of(await keyed("done", "complete_todo", id="cheese"))


async def test_every_change_of_a_file_is_made_once(keyed: Keyed, folder: Path) -> None:
    for key, name, arguments in (
        ("1", "write_file", {"path": "a/b.txt", "content": "x", "mode": "create"}),
        ("2", "write_file", {"path": "a/b.txt", "content": "y", "mode": "append"}),
    ):
        first = await keyed(key, name, **arguments)
        assert bytes_of(first) == bytes_of(await keyed(key, name, **arguments)), content(first)
    assert (folder / "a/b.txt").read_text() == "xy"
    first = await keyed("3", "delete_file", path="a/b.txt", confirm=True)
    assert bytes_of(first) == bytes_of(await keyed("3", "delete_file", path="a/b.txt", confirm=True))
    again = await keyed("1", "write_file", path="a/b.txt", content="x", mode="create")
    assert content(again)["created"]
    assert names(folder) == []
    await keyed(None, "write_file", path="a/b.txt", content="new")
    await keyed("3", "delete_file", path="a/b.txt", confirm=True)
    assert (folder / "a/b.txt").read_text() == "new"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("add_todo", {"title": "Buy milk"}),
        ("delete_todo", {"id": "there", "confirm": True}),
        ("write_file", {"path": "there.txt", "content": "x", "mode": "append"}),
    ],
)
async def test_of_concurrent_repeats_one_acts_and_all_answer_the_same(
    keyed: Keyed, folder: Path, name: str, arguments: dict[str, Any]
) -> None:
    await keyed(None, "add_todo", title="There")
    await keyed(None, "write_file", path="there.txt", content="x")
    answers = list[str]()

    async def ask() -> None:
        answers.append(bytes_of(await keyed("k", name, **arguments)))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(ask)
    assert len(answers) == 20
    assert len(set(answers)) == 1
    assert '"isError": false' in answers[0]
    todos = {"add_todo": ["There", "Buy milk"], "delete_todo": []}.get(name, ["There"])
    assert await titles(keyed) == todos
    assert (folder / "there.txt").read_text() == ("xx" if name == "write_file" else "x")


async def test_a_repeat_waits_for_the_first_that_is_not_done(db: Db, keyed: Keyed) -> None:
    answers = list[str]()

    async def ask() -> None:
        answers.append(bytes_of(await keyed("k", "add_todo", title="Buy milk")))

    async with anyio.create_task_group() as group, db.begin() as held:
        await held.execute(text("LOCK TABLE todos IN SHARE MODE"))
        group.start_soon(ask)
        group.start_soon(ask)
        await until_waiting(db, 2)
        assert not answers
    assert len(answers) == 2
    assert len(set(answers)) == 1
    assert await titles(keyed) == ["Buy milk"]


async def until_waiting(db: Db, number: int) -> None:
    """Ask until so many wait for a lock: Postgres has no event for it."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with anyio.fail_after(30):
        while (await db.run(waiting, {}))[0][0] < number:
            await anyio.lowlevel.checkpoint()


async def test_a_key_is_for_one_tool_with_one_set_of_arguments(keyed: Keyed, folder: Path) -> None:
    await keyed("k", "add_todo", title="Buy milk")
    for name, arguments in (
        ("add_todo", {"title": "Buy bread"}),
        ("add_todo", {"title": "Buy milk", "priority": "normal"}),
        ("delete_todo", {"id": "milk", "confirm": True}),
        ("delete_todo", {"id": "nothing", "confirm": True}),
        ("write_file", {"path": "a.txt", "content": "x"}),
    ):
        refused = await keyed("k", name, **arguments)
        assert refused.is_error
        assert "another call" in text_of(refused)
    assert await titles(keyed) == ["Buy milk"]
    assert names(folder) == []


async def test_the_order_of_arguments_does_not_matter(keyed: Keyed) -> None:
    first = await keyed("k", "add_todo", title="Buy milk", notes="x")
    assert bytes_of(first) == bytes_of(await keyed("k", "add_todo", notes="x", title="Buy milk"))


async def test_a_key_of_somebody_else_does_not_matter(connect: Connect) -> None:
    async with connect("alice") as alice, connect("bob") as bob:
        for client, title in ((alice, "Buy milk"), (bob, "Buy bread"), (bob, "Buy bread")):
            added = await client.call_tool("add_todo", {"title": title}, meta=meta("k"))
            assert content(added)["title"] == title
            assert len(content(await client.call_tool("list_todos", {}))["todos"]) == 1


async def test_a_failed_call_leaves_nothing_and_runs_anew(keyed: Keyed, folder: Path, db: Db) -> None:
    for name, arguments in (
        ("complete_todo", {"id": "milk"}),
        ("delete_file", {"path": "a/b.txt", "confirm": True}),
        ("add_todo", {"title": "x", "due": "no date"}),
        ("add_todo", {}),
    ):
        assert (await keyed(f"{name}{len(arguments)}", name, **arguments)).is_error
    assert (await db.run(text("SELECT * FROM tool_effects"), {})) == []
    await keyed(None, "add_todo", title="Milk")
    await keyed(None, "write_file", path="a/b.txt", content="x")
    assert content(await keyed("complete_todo1", "complete_todo", id="milk"))["status"] == "done"
    assert content(await keyed("delete_file1", "delete_file", path="a/b.txt", confirm=True))["bytes"] == 1
    assert names(folder) == []


async def test_what_fails_inside_is_not_told_and_can_be_repeated(keyed: Keyed, db: Db) -> None:
    await db.run(text("ALTER TABLE tool_effects RENAME TO away"), {})
    failed = await keyed("k", "add_todo", title="Milk")
    assert text_of(failed) == "add_todo failed inside the server; try again."
    refused = await keyed("k", "delete_todo", id="milk", confirm=True)
    assert text_of(refused) == "delete_todo failed inside the server; try again."
    await db.run(text("ALTER TABLE away RENAME TO tool_effects"), {})
    await keyed("k", "add_todo", title="Milk")
    assert await titles(keyed) == ["Milk"]


def test_every_tool_that_writes_says_that_it_heeds_a_key() -> None:
    for tool in BUILT_IN:
        assert tool.annotations
        expected = None if tool.annotations.read_only_hint else {"turnlog/idempotency-key": True}
        assert tool.meta == expected, tool.name


async def test_a_client_sees_which_tools_heed_a_key(client: Client) -> None:
    heeding = {
        tool.name for tool in (await client.list_tools()).tools if (tool.meta or {}).get(IDEMPOTENCY_KEY)
    }
    assert heeding == {
        *("add_todo", "update_todo", "complete_todo", "delete_todo"),
        *("write_file", "delete_file"),
    }


async def test_a_tool_that_only_reads_ignores_a_key(keyed: Keyed) -> None:
    for key in ("k", "k", 7, ""):
        assert content(await keyed(key, "list_todos"))["todos"] == []
        assert content(await keyed(key, "calculator", expression="1 + 1"))


_BAD: st.SearchStrategy[Any] = st.one_of(
    st.text().filter(lambda key: not (1 <= len(key) <= 200 and key.isascii() and key.isprintable())),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=201, max_size=500),
    st.integers() | st.floats(allow_nan=False) | st.booleans() | st.lists(st.text()),
)
_GOOD = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=200)
_FEW = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@_FEW
@given(key=_BAD)
async def test_a_malformed_key_is_refused(keyed: Keyed, key: Any) -> None:
    refused = await keyed(key, "add_todo", title="Buy milk")
    assert refused.is_error
    assert "1 to 200 printable ASCII" in text_of(refused)
    assert await titles(keyed) == []


@_FEW
@given(key=_GOOD)
async def test_a_wellformed_key_is_heeded(keyed: Keyed, key: str) -> None:
    before = await titles(keyed)
    answers = [bytes_of(await keyed(key, "add_todo", title="Buy milk")) for _ in range(2)]
    assert answers[0] == answers[1]
    assert len(await titles(keyed)) in {len(before), len(before) + 1}


async def test_old_effects_go_away_in_passing(keyed: Keyed, db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "_CLEARED_ONCE_IN", 1)
    for key in ("old", "new"):
        await keyed(key, "add_todo", title=key)
    age = text("UPDATE tool_effects SET created_at = now() - interval '169 hours' WHERE key = 'old'")
    await db.run(age, {})
    await keyed("third", "add_todo", title="third")
    kept = await db.run(text("SELECT key FROM tool_effects ORDER BY key"), {})
    assert [row[0] for row in kept] == ["new", "third"]
