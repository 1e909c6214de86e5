"""Long calls: how far they are, and that they end with whoever waits for them."""

import asyncio
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import from_thread, to_thread
from mcp import Client

from kit.postgres import Db
from mcp_server import folders
from tests.mcp_server.doors import ERAS, Era, folder_of, in_memory, over_stdio, put


class Heard:
    """What a client was told of a call."""

    def __init__(self) -> None:
        self.steps: list[tuple[float, str]] = []

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        assert total is None
        self.steps.append((progress, message or ""))


@pytest.mark.parametrize("era", ERAS)
async def test_a_program_tells_what_it_calls(db: Db, tmp_path: Path, era: Era) -> None:
    heard = Heard()
    async with in_memory(db, tmp_path, "alice", era) as client:
        code = "[calculator(f'{n}+1') for n in range(3)]"
        await client.call_tool("run_python", {"code": code}, progress_callback=heard)
    assert [step for step, _ in heard.steps] == [1, 2, 3]
    assert all("calculator" in message for _, message in heard.steps)


@pytest.mark.parametrize("era", ERAS)
async def test_a_search_tells_how_far_it_is(shared_database: str, tmp_path: Path, era: Era) -> None:
    folder, heard = folder_of(tmp_path, "alice"), Heard()
    put(folder, "a.txt", b"needle")
    async with over_stdio(shared_database, tmp_path, "alice", era) as client:
        found = await client.call_tool("search_files", {"query": "needle"}, progress_callback=heard)
    assert found.structured_content
    assert len(found.structured_content["hits"]) == 1
    assert heard.steps == [(1, "Searched 1 files and folders")]


@pytest.mark.parametrize("era", ERAS)
async def test_a_search_that_nobody_waits_for_reads_no_further(
    db: Db, tmp_path: Path, era: Era, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path, "alice")
    for name in "abc":
        put(folder, f"{name}.txt", b"needle")
    reads, reading, really = list[Any](), threading.Event(), folders.read

    def read(*arguments: Any) -> bytes:
        reads.append(arguments)
        reading.set()
        until_cancelled()
        return really(*arguments)

    monkeypatch.setattr(folders, "read", read)
    async with in_memory(db, tmp_path, "alice", era) as client, anyio.create_task_group() as group:
        group.start_soon(search, client)
        await to_thread.run_sync(reading.wait, 30)
        group.cancel_scope.cancel()
    await ended()
    assert len(reads) == 1


async def test_a_search_that_somebody_waits_for_reads_all(db: Db, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "alice")
    for name in "abc":
        put(folder, f"{name}.txt", b"needle")
    async with in_memory(db, tmp_path, "alice", ERAS[0]) as client:
        found = await client.call_tool("search_files", {"query": "needle"})
    assert found.structured_content
    assert len(found.structured_content["hits"]) == 3


def until_cancelled() -> None:
    """Wait, in the thread of a tool, until its call is one that nobody waits for."""
    deadline = time.monotonic() + 30
    with suppress(asyncio.CancelledError):
        while time.monotonic() < deadline:
            from_thread.check_cancelled()
            time.sleep(0.01)


async def search(client: Client) -> None:
    await client.call_tool("search_files", {"query": "needle"})


async def ended() -> None:
    """Wait until no thread of a tool is at work."""
    with anyio.fail_after(30):
        # A thread that goes on by itself has no event to wait for.
        while to_thread.current_default_thread_limiter().borrowed_tokens:  # noqa: ASYNC110
            await anyio.sleep(0.01)
