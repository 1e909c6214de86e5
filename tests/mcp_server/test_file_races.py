"""What is swapped for a link while it is used: RACES attempts of each kind, and not one that follows it."""

import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeAlias

import pytest
from mcp import Client

from kit.postgres import Db, open_db
from mcp_server import folders
from tests.clients import Connect, text_of
from tests.mcp_server import swapping
from tests.mcp_server.traps import ALICE, World, laid, unsynced

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="swaps by renameat2")

RACES: Final = int(os.environ.get("RACES", "1000"))
_BOTH: Final = 5
Attempt: TypeAlias = Callable[[int], set[int]]


@pytest.fixture
async def db() -> AsyncGenerator[Db]:
    """Files need no database, so this one is never connected to."""
    async with open_db("postgresql://localhost/none") as db:
        yield db


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A folder `swap` with a file, and the link `swapped` to one with a canary of the same name."""
    unsynced(monkeypatch)
    world = laid(tmp_path)
    (world.alice / "swap").mkdir()
    for name in ("canary.txt", "kept.txt"):
        (world.alice / "swap" / name).write_text("mine")
    (world.alice / "swapped").symlink_to(world.root / "secret")
    return world


@contextmanager
def swapped(one: Path, other: Path) -> Generator[None]:
    """A process of its own swaps them, for two threads of one take turns."""
    command = [sys.executable, swapping.__file__, str(one), str(other)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"swapping\n"
            yield
            assert process.poll() is None, "nothing was swapped any more"
        finally:
            process.kill()


def _read(folder: int) -> set[int]:
    return {len(folders.read(folder, ("swap", "canary.txt")))}


def _look(folder: int) -> set[int]:
    return {folders.look(folder, ("swap", "canary.txt")).size}


def _walk(folder: int) -> set[int]:
    return {entry.size for entry in folders.walk(folder, ("swap",))}


def _change(folder: int) -> set[int]:
    with folders.changing(folder, lambda _: ()):
        folders.write(folder, ("swap", "new.txt"), b"mine", "overwrite")
        return {folders.delete(folder, ("swap", "new.txt")).entry.size}


ATTEMPTS: Final[dict[str, Attempt]] = {
    "read": _read,
    "look": _look,
    "walk": _walk,
    "write and delete": _change,
}


def _until_both(outcomes: dict[bool, int]) -> Iterator[None]:
    """RACES times, and on until it was swapped between what is done one after the other, and was not."""
    tries = 0
    while tries < RACES or min(outcomes.values()) < _BOTH:
        tries += 1
        assert tries < 100 * RACES, outcomes
        yield


@pytest.mark.parametrize("name", ATTEMPTS)
def test_a_folder_that_is_swapped_for_a_link_leads_nowhere(world: World, name: str) -> None:
    """A canary is longer than what there is in the folder itself."""
    attempt = ATTEMPTS[name]
    before = world.outside()
    outcomes: dict[bool, int] = {True: 0, False: 0}
    with swapped(world.alice / "swap", world.alice / "swapped"):
        for _ in _until_both(outcomes):
            with folders.open_folder(world.root / "files", ALICE) as folder:
                try:
                    assert attempt(folder) == {len("mine")}
                    outcomes[True] += 1
                except (folders.NothingThere, folders.PathRefused):
                    outcomes[False] += 1
    assert world.outside() == before


def test_a_file_that_is_swapped_for_a_link_is_not_followed(world: World) -> None:
    outcomes: dict[bool, int] = {True: 0, False: 0}
    with swapped(world.alice / "inside/note.txt", world.alice / "file-link"):
        for _ in _until_both(outcomes):
            with folders.open_folder(world.root / "files", ALICE) as folder:
                try:
                    assert folders.read(folder, ("inside", "note.txt")) == b"mine"
                    outcomes[True] += 1
                except folders.PathRefused:
                    outcomes[False] += 1


async def test_no_tool_is_led_out_by_a_swap(world: World, connect: Connect) -> None:
    before = world.outside()
    answers: dict[bool, int] = {True: 0, False: 0}
    async with connect("alice") as client:
        with swapped(world.alice / "swap", world.alice / "swapped"):
            for _ in range(max(1, RACES // 40)):
                async for refused, answer in _through(client, "swap"):
                    answers[refused] += 1
                    assert "CANARY" not in answer
    assert world.outside() == before
    assert min(answers.values()) > 0, answers


async def _through(client: Client, folder: str) -> AsyncGenerator[tuple[bool, str]]:
    for name, arguments in (
        ("read_file", {"path": f"{folder}/canary.txt"}),
        ("search_files", {"path": folder, "query": "canary"}),
        ("search_files", {"query": "canary"}),
        ("list_files", {"path": folder}),
        ("write_file", {"path": f"{folder}/canary.txt", "content": "mine"}),
        ("write_file", {"path": f"{folder}/new/new.txt", "content": "mine"}),
        ("delete_file", {"path": f"{folder}/new/new.txt", "confirm": True}),
        ("delete_file", {"path": f"{folder}/canary.txt", "confirm": True}),
    ):
        result = await client.call_tool(name, arguments)
        yield result.is_error, str(result.structured_content) + text_of(result)


def test_a_path_that_is_checked_first_does_lead_out_under_the_same_swaps(world: World) -> None:
    """The control: to check and then to open is to lose, some of so many times."""
    path, led_out = world.alice / "swap/canary.txt", 0
    with swapped(world.alice / "swap", world.alice / "swapped"):
        for _ in range(100 * RACES):
            with suppress(OSError):  # resolve itself trips over a swap
                led_out += path.resolve().is_relative_to(world.alice) and path.read_text() == "CANARY"
            if led_out > _BOTH:
                break
    assert led_out > 0
