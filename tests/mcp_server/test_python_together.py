"""Programs of several people, many at once, and programs that nobody waits for any more."""

import os
import signal
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from mcp import Client
from sqlalchemy import text

from kit.postgres import Db
from mcp_server.sandbox import program, slots
from tests.clients import Call, Connect, text_of

_FOREVER: Final = "while True: pass"
_AT_ONCE: Final = 4


async def test_programs_of_two_people_see_their_own_alone(connect: Connect) -> None:
    code = "titles = {todo['title'] for _ in range(5) for todo in list_todos()['todos']}\nsorted(titles)"
    seen: dict[str, list[Any]] = {"alice": [], "bob": []}

    async def ask(person: Client, name: str) -> None:
        result: Any = (await person.call_tool("run_python", {"code": code})).structured_content
        seen[name].append(result["value"])

    async with connect("alice") as alice, connect("bob") as bob:
        people = {"alice": alice, "bob": bob}
        for name, person in people.items():
            await person.call_tool("add_todo", {"title": f"of {name}"})
        async with anyio.create_task_group() as group:
            for _ in range(10):
                for name, person in people.items():
                    group.start_soon(ask, person, name)
    assert seen == {name: [[f"of {name}"]] * 10 for name in people}


async def test_two_hundred_at_once_share_a_few_processes(client: Client) -> None:
    values, most = list[Any](), 0

    async def ask(number: int) -> None:
        nonlocal most
        code = f"sum(range({number}))"
        result: Any = (await client.call_tool("run_python", {"code": code})).structured_content
        values.append(result["value"])
        most = max(most, len(list(workers())))

    async with anyio.create_task_group() as group:
        for number in range(200):
            group.start_soon(ask, number)
    assert sorted(values) == [sum(range(number)) for number in range(200)]
    assert most <= _AT_ONCE


async def test_others_are_served_while_a_program_works(client: Client, call: Call) -> None:
    ended = anyio.Event()

    async def work() -> None:
        assert (await client.call_tool("run_python", {"code": _FOREVER})).is_error
        ended.set()

    async with anyio.create_task_group() as group:
        group.start_soon(work)
        await until_working(1)
        for _ in range(20):
            await call("calculator", expression="1")
        assert not ended.is_set()
        while not ended.is_set():
            await kill_workers()


async def test_a_program_whose_process_dies_is_said_to_be_broken(client: Client, db: Db) -> None:
    told = list[str]()

    async def work() -> None:
        told.append(text_of(await client.call_tool("run_python", {"code": "list_todos()"})))

    async with anyio.create_task_group() as group, held(db):
        group.start_soon(work)
        await until_waiting(db)
        while not await kill_workers():
            pass
    assert "broke the sandbox" in told[0]
    assert not (await client.call_tool("run_python", {"code": "1"})).is_error


@pytest.mark.parametrize("code", [_FOREVER, "list_todos()\n" + _FOREVER])
async def test_a_cancelled_program_ends_at_once(client: Client, code: str) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(_AT_ONCE + 2):
            group.start_soon(client.call_tool, "run_python", {"code": code})
        await until_working(_AT_ONCE)
        group.cancel_scope.cancel()
    await until_working(0)
    assert not (await client.call_tool("run_python", {"code": "1"})).is_error


async def test_a_program_that_is_cancelled_in_a_call_ends_at_once(client: Client, db: Db) -> None:
    async with held(db), anyio.create_task_group() as group:
        group.start_soon(client.call_tool, "run_python", {"code": "list_todos()"})
        await until_waiting(db)
        group.cancel_scope.cancel()
        await until_working(0)
    assert not (await client.call_tool("run_python", {"code": "list_todos()"})).is_error


async def test_the_calls_of_a_program_take_only_so_long(
    client: Client, db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "MOST_WAITING", 0.1)
    code = "try:\n    list_todos()\nexcept BaseException:\n    pass"
    async with held(db):
        result = await client.call_tool("run_python", {"code": code})
    assert result.is_error
    assert "took more than" in text_of(result)


async def test_a_program_that_finds_no_room_is_asked_to_come_again(
    client: Client, db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with held(db), anyio.create_task_group() as group:
        for _ in range(_AT_ONCE):
            group.start_soon(client.call_tool, "run_python", {"code": "list_todos()"})
        await until_working(_AT_ONCE)
        monkeypatch.setattr(slots, "_PATIENCE", 0.0)
        result = await client.call_tool("run_python", {"code": "1"})
        assert result.is_error
        assert "in a few seconds" in text_of(result)
        group.cancel_scope.cancel()


async def test_one_person_leaves_room_for_others(connect: Connect, db: Db) -> None:
    async with (
        connect("alice") as alice,
        connect("bob") as bob,
        held(db),
        anyio.create_task_group() as group,
    ):
        for _ in range(20):
            group.start_soon(alice.call_tool, "run_python", {"code": "list_todos()"})
        await until_working(_AT_ONCE)
        for _ in range(5):
            assert not (await bob.call_tool("run_python", {"code": "1"})).is_error
        group.cancel_scope.cancel()


def workers() -> Iterator[int]:
    """The processes of programs that this process has."""
    for children in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            for pid in map(int, children.read_text().split()):
                with suppress(OSError):
                    if b"monty" in Path(f"/proc/{pid}/cmdline").read_bytes():
                        yield pid


async def until_working(count: int) -> None:
    """Ask until so many are there: the system has no event for it."""
    with anyio.fail_after(30):
        while len(list(workers())) != count:
            await anyio.lowlevel.checkpoint()


async def kill_workers() -> bool:
    """Whether there were any."""
    found = list(workers())
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    await anyio.lowlevel.checkpoint()
    return bool(found)


@asynccontextmanager
async def held(db: Db) -> AsyncGenerator[None]:
    """Nobody can read todos within it."""
    async with db.begin() as session:
        await session.execute(text("LOCK TABLE todos IN ACCESS EXCLUSIVE MODE"))
        yield


async def until_waiting(db: Db) -> None:
    waiting = text(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with anyio.fail_after(30):
        while not await db.run(waiting, {}):
            await anyio.lowlevel.checkpoint()
