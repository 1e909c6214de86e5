"""Calls whose server is killed at each of their steps, and repeated."""

import os
import signal
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import anyio
import anyio.lowlevel
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult
from sqlalchemy import text

from kit.ids import owner_id
from kit.postgres import Db
from kit.tokens.keys import BUILT_IN_ISSUER
from tests.clients import text_of
from tests.mcp_server.dying import Dying, meta
from tests.programs import Running, free_port, running

Deaths: TypeAlias = AsyncGenerator[str | None]
# With EVERY_DEATH at each step of a call, otherwise at every other one.
_STRIDE: Final = 1 if os.environ.get("EVERY_DEATH") else 2


class Case(NamedTuple):
    """A call, the file `notes/a.txt` before it and after it."""

    name: str
    arguments: dict[str, Any]
    before: str | None = None
    after: str | None = None


PATH = "notes/a.txt"
FILE_CASES = {
    "create": Case("write_file", {"path": PATH, "content": "x", "mode": "create"}, None, "x"),
    "overwrite": Case("write_file", {"path": PATH, "content": "x"}, "old", "x"),
    "append": Case("write_file", {"path": PATH, "content": "x", "mode": "append"}, "old", "oldx"),
    "append to nothing": Case("write_file", {"path": PATH, "content": "x", "mode": "append"}, None, "x"),
    "delete": Case("delete_file", {"path": PATH, "confirm": True}, "old", None),
}


@pytest.fixture
def dying(database_url: str, tmp_path: Path) -> Dying:
    return Dying(database_url, tmp_path / "files")


class Folder:
    """The files of the user `alice`."""

    def __init__(self, root: Path) -> None:
        self.top = root / str(owner_id(BUILT_IN_ISSUER, "alice"))
        self.file = self.top / PATH

    def reset(self, content: str | None) -> None:
        """Leave nothing in it but the file, if it has content."""
        for path in sorted(self.top.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        if content is not None:
            self.file.parent.mkdir(parents=True)
            self.file.write_text(content)

    def replace(self, content: str) -> None:
        new = self.file.with_name("new")
        new.write_text(content)
        new.rename(self.file)

    def content(self) -> str | None:
        return self.file.read_text() if self.file.exists() else None

    def names(self) -> list[str]:
        return sorted(path.relative_to(self.top).as_posix() for path in self.top.rglob("*"))


@pytest.fixture
def folder(dying: Dying) -> Folder:
    return Folder(dying.files_root)


def expected(content: str | None, *others: str) -> list[str]:
    return sorted([*others, *(["notes", PATH] if content is not None else [])])


async def repeat(client: Client, case: Case, key: str | None) -> CallToolResult:
    return await client.call_tool(case.name, case.arguments, meta=meta(key))


async def deaths(
    dying: Dying, case: Case, before: Callable[[], None] | None = None, *, keyed: bool = True
) -> Deaths:
    """Call it in processes that die, each some steps later, and at last in one that lives; give each key."""
    for step in count(1, _STRIDE):
        if before is not None:
            before()
        key = f"step {step}" if keyed else None
        died = await dying.call(step, *case[:2], key)
        yield key
        if not died:
            return


@pytest.mark.parametrize("case", FILE_CASES.values(), ids=FILE_CASES)
async def test_a_file_is_changed_once_wherever_the_first_call_is_killed(
    dying: Dying, folder: Folder, client: Client, case: Case
) -> None:
    steps = 0
    async for key in deaths(dying, case, lambda: folder.reset(case.before)):
        done = await repeat(client, case, key)
        assert not done.is_error, f"{key}: {text_of(done)}"
        assert (folder.content(), folder.names()) == (case.after, expected(case.after)), key
        assert await repeat(client, case, key) == done
        assert folder.content() == case.after
        steps += 1
    assert steps > 8 // _STRIDE, "the call had too few steps to be true"


@pytest.mark.parametrize("name", ["create", "append", "delete"])
async def test_without_a_key_the_same_deaths_are_seen(
    dying: Dying, folder: Folder, client: Client, name: str
) -> None:
    case, wrong = FILE_CASES[name], 0
    async for _ in deaths(dying, case, lambda: folder.reset(case.before), keyed=False):
        done = await repeat(client, case, None)
        wrong += done.is_error or folder.content() != case.after
    assert wrong > 1, "and not only after the call that was not killed"


async def test_what_was_decided_comes_before_the_next_change_of_the_same_file(
    dying: Dying, folder: Folder, client: Client
) -> None:
    case, seen = FILE_CASES["append"], set[str | None]()
    async for key in deaths(dying, case, lambda: folder.reset(case.before)):
        other = await client.call_tool("write_file", {"path": PATH, "content": "y", "mode": "append"})
        assert not other.is_error
        assert folder.names() == expected("")
        assert not (await repeat(client, case, key)).is_error
        seen.add(folder.content())
    assert seen == {"oldxy", "oldyx"}


async def test_a_decided_deletion_spares_the_next_file_of_that_name(
    dying: Dying, folder: Folder, client: Client
) -> None:
    case, made = FILE_CASES["delete"], set[bool]()
    new = {"path": PATH, "content": "new", "mode": "create"}
    async for key in deaths(dying, case, lambda: folder.reset(case.before)):
        other = await client.call_tool("write_file", new)
        done = await repeat(client, case, key)
        assert not done.is_error
        assert folder.content() == (None if other.is_error else "new")
        made.add(not other.is_error)
    assert made == {True, False}


async def test_a_decided_deletion_spares_what_an_outsider_has_put_there(
    dying: Dying, folder: Folder, client: Client
) -> None:
    case, seen = FILE_CASES["delete"], set[str | None]()
    async for key in deaths(dying, case, lambda: folder.reset(case.before)):
        if folder.content() is not None:
            folder.replace("other")
            assert not (await repeat(client, case, key)).is_error
            seen.add(folder.content())
    assert seen == {None, "other"}


async def test_what_is_left_is_hidden_and_no_file_of_the_user(
    dying: Dying, folder: Folder, client: Client
) -> None:
    case, left = FILE_CASES["create"], list[str]()
    async for _ in deaths(dying, case, lambda: folder.reset(case.before)):
        left += [name for name in folder.names() if name.startswith(".")]
        listed: Any = (await client.call_tool("list_files", {"recursive": True})).structured_content
        assert not [file["path"] for file in listed["files"] if "turnlog" in file["path"]]
    assert left
    assert (await client.call_tool("read_file", {"path": left[0]})).is_error


TODO_CASES = [
    Case("add_todo", {"title": "Buy milk"}),
    Case("update_todo", {"id": "eggs", "title": "Buy bread"}),
    Case("delete_todo", {"id": "eggs", "confirm": True}),
]


@pytest.mark.parametrize("case", TODO_CASES, ids=[case.name for case in TODO_CASES])
async def test_a_todo_is_changed_once_wherever_the_first_call_is_killed(
    dying: Dying, client: Client, case: Case
) -> None:
    after = {"add_todo": ["Buy eggs", "Buy milk"], "update_todo": ["Buy bread"], "delete_todo": []}
    steps = 0
    await client.call_tool("add_todo", {"title": "Buy eggs"})
    async for key in deaths(dying, case):
        done = await repeat(client, case, key)
        assert not done.is_error, f"{key}: {text_of(done)}"
        assert await titles(client) == after[case.name], key
        assert await repeat(client, case, key) == done
        for title in after[case.name]:
            await client.call_tool("delete_todo", {"id": title, "confirm": True})
        await client.call_tool("add_todo", {"title": "Buy eggs"})
        steps += 1
    assert steps > 3 // _STRIDE, "the call had too few steps to be true"


async def titles(client: Client) -> list[str]:
    page: Any = (await client.call_tool("list_todos", {})).structured_content
    return [todo["title"] for todo in page["todos"]]


@contextmanager
def program(dying: Dying) -> Generator[tuple[Running, str]]:
    """`turnlog-mcp` over HTTP, for alice; the address of its endpoint."""
    port = free_port()
    arguments = ("--http", "--no-auth", "--port", str(port))
    data = {"database_url": dying.database_url, "data_dir": dying.files_root.parent}
    with running(f"http://127.0.0.1:{port}/", "turnlog-mcp", *arguments, **data, turnlog_user="alice") as it:
        yield it, f"http://127.0.0.1:{port}/mcp"


@pytest.mark.parametrize(("key", "number"), [("k", 1), (None, 2)])
async def test_another_process_answers_as_the_one_that_was_killed(
    dying: Dying, client: Client, key: str | None, number: int
) -> None:
    answers = list[Any]()
    for _ in range(2):
        with program(dying) as (process, url):
            async with Client(streamable_http_client(url)) as there:
                told = await there.call_tool("add_todo", {"title": "Buy milk"}, meta=meta(key))
                answers.append((told.content, told.structured_content))
            process.stop(signal.SIGKILL)
    assert (answers[0] == answers[1]) is (key is not None)
    assert len(await titles(client)) == number


async def test_the_program_is_killed_in_the_middle_of_a_call(dying: Dying, client: Client, db: Db) -> None:
    async def ask(url: str) -> None:
        async with Client(streamable_http_client(url)) as there:
            await there.call_tool("add_todo", {"title": "Buy milk"}, meta=meta("k"))

    with program(dying) as (process, url):
        async with anyio.create_task_group() as group, db.begin() as held:
            await held.execute(text("LOCK TABLE todos IN SHARE MODE"))
            group.start_soon(ask, url)
            await until_waiting(db)
            process.stop(signal.SIGKILL)
            group.cancel_scope.cancel()
    for _ in range(2):
        added = await client.call_tool("add_todo", {"title": "Buy milk"}, meta=meta("k"))
        assert not added.is_error
    assert await titles(client) == ["Buy milk"]


async def test_a_call_that_is_cancelled_once_it_is_decided_is_finished(
    folder: Folder, client: Client, db: Db
) -> None:
    case, asking = FILE_CASES["create"], anyio.CancelScope()

    async def ask() -> None:
        with asking:
            await repeat(client, case, "k")

    async with anyio.create_task_group() as group, db.begin() as held:
        await held.execute(text("LOCK TABLE tool_effects IN SHARE MODE"))
        group.start_soon(ask)
        await until_waiting(db)
        asking.cancel()
    with anyio.fail_after(30):
        while folder.content() != case.after:  # nobody waits for it
            await anyio.lowlevel.checkpoint()
    assert not (await repeat(client, case, "k")).is_error
    assert folder.names() == expected(case.after)


async def until_waiting(db: Db) -> None:
    """Ask until somebody waits for a lock: Postgres has no event for it."""
    waiting = text(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with anyio.fail_after(30):
        while not await db.run(waiting, {}):
            await anyio.lowlevel.checkpoint()
