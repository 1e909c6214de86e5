"""Ways out of a user's folder, through the official client: none may work."""

import ctypes
import os
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from threading import Event
from typing import Any, Final

import pytest
from mcp import Client

from kit.ids import owner_id
from kit.postgres import Db, open_db
from kit.tokens.keys import BUILT_IN_ISSUER
from tests.clients import Call, Connect, text_of

_BOB: Final = str(owner_id(BUILT_IN_ISSUER, "bob"))
_CLIMBS: Final = (
    *("..", "../..", "./..", ".//..", "inside/..", "inside/../..", "inside/./../../..", "new/../.."),
    *("..//..", "../../../../../../../../..", "link/..", "link/../..", "a/b/c/../../../..", " ../.."),
)
_TAILS: Final = ("", "/", "/canary.txt", f"/{_BOB}/canary.txt", f"/files/{_BOB}/canary.txt", "/etc/passwd")
_ROOTS: Final = ("/", "//", "///", "/./", "/inside/../", "/proc/self/root/", "/proc/self/cwd/", "{tmp}/")
_WINDOWS: Final = ("..\\canary.txt", "inside\\..\\..\\canary.txt", "\\canary.txt", "C:\\canary.txt", "..\\/x")
_HOMES: Final = ("~", "~/canary.txt", "inside/~", "~/../canary.txt")
_CONTROLS: Final = ("\x00", "\n", "\t", "\x1b[2J", "\x7f", "\x85", "\u2028", "\u2029", "\ud800")
_LONG: Final = ("a" * 256, "é" * 128, "a/" * 16 + "a", "a/" * 600, "a" * 1001, "inside/" + "\U0001f600" * 64)
_PLANTED: Final = (
    *("link", "link/canary.txt", "link/new.txt", "link/new/new.txt", "inside/link/canary.txt"),
    *("file-link", "inner-link", "inner-link/note.txt", "loop", "loop/x", "dangling", "dangling/x"),
    *("hard", "fifo", "fifo/x", "socket", "inside/note.txt/x", "bob", "bob/canary.txt"),
)
ESCAPES: Final = (
    *(climb + tail for climb, tail in product(_CLIMBS, _TAILS)),
    *(
        root + tail
        for root, tail in product(_ROOTS, ("canary.txt", "etc/passwd", f"files/{_BOB}/canary.txt"))
    ),
    *_WINDOWS,
    *_HOMES,
    *(form.format(control) for control, form in product(_CONTROLS, ("{}", "a{}b", "inside/{}/../../x"))),
    *(".." + control + "/canary.txt" for control in _CONTROLS),
    *_LONG,
    *_PLANTED,
)
LOOKALIKES: Final = (
    *(
        "%2e%2e/canary.txt",
        "..%2fcanary.txt",
        "..%00/x",
        "%252e%252e%252fx",
        "\uff0e\uff0e/x",
        "\u2024\u2024/x",
    ),
    *(
        "...",
        ".../x",
        "..;/x",
        "..a/x",
        "..\u2215x",
        "..\uff0fx",
        "$HOME/x",
        "${HOME}",
        "`id`",
        "$(id)",
        "-rf",
    ),
    *(
        "file:///etc/passwd",
        "C:/Windows/x",
        "*",
        "a b",
        ".hidden",
        "日本語.txt",
        "a\u200cb.txt",
        "~a",
        "a;b|c",
    ),
)


@pytest.fixture
async def db() -> AsyncGenerator[Db]:
    """Files need no database, so this one is never connected to."""
    async with open_db("postgresql://localhost/none") as db:
        yield db


@dataclass(frozen=True, slots=True)
class World:
    root: Path
    alice: Path

    def everything(self) -> dict[str, object]:
        """What there is outside and inside of Alice's folder, but not what hangs from links."""
        return {str(path): _state(path) for path in self.root.rglob("*")}

    def outside(self) -> dict[str, object]:
        inside = str(self.alice)
        return {path: state for path, state in self.everything().items() if not path.startswith(inside)}


def _state(path: Path) -> object:
    if path.is_symlink():
        return path.readlink()
    return path.read_bytes() if path.is_file() else path.is_dir()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Canaries around Alice's folder, and every kind of trap in it."""
    bob = tmp_path / "files" / _BOB
    alice = tmp_path / "files" / str(owner_id(BUILT_IN_ISSUER, "alice"))
    for place in (tmp_path / "secret", bob, alice / "inside"):
        place.mkdir(parents=True)
    for place in (tmp_path, tmp_path / "secret", bob):
        (place / "canary.txt").write_text("CANARY")
    (alice / "inside/note.txt").write_text("mine")
    for name in ("link", "inside/link"):
        (alice / name).symlink_to(tmp_path / "secret")
    (alice / "bob").symlink_to(bob)
    (alice / "file-link").symlink_to(tmp_path / "canary.txt")
    (alice / "dangling").symlink_to(tmp_path / "secret/new.txt")
    (alice / "inner-link").symlink_to("inside")
    (alice / "loop").symlink_to("loop")
    (alice / "hard").hardlink_to(tmp_path / "canary.txt")
    os.mkfifo(alice / "fifo")
    monkeypatch.chdir(alice)  # the name of a socket can have only 107 bytes
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
    return World(tmp_path, alice)


def _calls(path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "list_files", {"path": path}
    yield "list_files", {"path": path, "recursive": True}
    yield "read_file", {"path": path}
    yield "search_files", {"path": path, "query": "a"}
    for mode in ("overwrite", "append", "create"):
        yield "write_file", {"path": path, "content": "x", "mode": mode}
    yield "delete_file", {"path": path, "confirm": True}


@pytest.mark.parametrize("form", ESCAPES, ids=range(len(ESCAPES)))
async def test_a_way_out_is_refused_and_touches_nothing(world: World, connect: Connect, form: str) -> None:
    before = world.everything()
    path = form.replace("{tmp}", str(world.root))
    async with connect("alice") as client:
        for name, arguments in _calls(path):
            result = await client.call_tool(name, arguments)
            assert result.is_error, (name, result.structured_content)
            said = text_of(result)
            assert not any(word in said for word in ("canary", "CANARY", str(world.root), _BOB, "Errno"))
            assert "inside the server" not in said
    assert world.everything() == before


@pytest.mark.parametrize("name", LOOKALIKES)
async def test_what_only_looks_like_a_way_out_is_a_name_inside(world: World, call: Call, name: str) -> None:
    before = world.outside()
    written = await call("write_file", path=name, content="mine")
    assert (await call("read_file", path=written["path"]))["content"] == "mine"
    assert (world.alice / written["path"]).read_text() == "mine"
    assert world.outside() == before


async def test_neither_lists_nor_searches_show_what_lies_outside(world: World, call: Call) -> None:
    (world.alice / "deep/er").mkdir(parents=True)
    (world.alice / "deep/er/out").symlink_to(world.root)
    (world.alice / os.fsdecode(b"\xff.txt")).write_text("CANARY")
    listed = await call("list_files", recursive=True)
    paths = ["deep", "deep/er", "inside", "inside/note.txt"]
    assert [file["path"] for file in listed["files"]] == paths
    for query in ("canary", "out", "link", "hard"):
        assert (await call("search_files", query=query))["hits"] == []


async def test_nobody_sees_the_files_of_somebody_else(connect: Connect) -> None:
    async with connect("alice") as alice, connect("mallory") as mallory:
        await alice.call_tool("write_file", {"path": "plan.txt", "content": "CANARY"})
        assert (await mallory.call_tool("read_file", {"path": "plan.txt"})).is_error
        assert (await mallory.call_tool("delete_file", {"path": "plan.txt", "confirm": True})).is_error
        for name, arguments in (("list_files", {"recursive": True}), ("search_files", {"query": "canary"})):
            result = await mallory.call_tool(name, arguments)
            assert "plan" not in str(result.structured_content)
        await mallory.call_tool("write_file", {"path": "plan.txt", "content": "x"})
        kept = (await alice.call_tool("read_file", {"path": "plan.txt"})).structured_content
        assert kept is not None
        assert kept["content"] == "CANARY"


async def test_a_users_folder_that_is_a_link_is_refused(connect: Connect, world: World) -> None:
    before = world.everything()
    mallory = world.alice.parent / str(owner_id(BUILT_IN_ISSUER, "mallory"))
    mallory.symlink_to(world.root / "secret")
    async with connect("mallory") as client:
        for name, arguments in _calls("canary.txt"):
            assert (await client.call_tool(name, arguments)).is_error
    mallory.unlink()
    assert world.everything() == before


@pytest.mark.skipif(sys.platform != "linux", reason="swaps by renameat2")
async def test_a_folder_that_is_swapped_for_a_link_leads_nowhere(world: World, connect: Connect) -> None:
    _plant_swap(world)
    before = world.outside()
    answers: dict[bool, int] = {True: 0, False: 0}
    async with connect("alice") as client:
        with _swapping(world.alice / "swap", world.alice / "swapped"):
            for _ in range(150):
                async for refused, answer in _through(client, "swap"):
                    answers[refused] += 1
                    assert "CANARY" not in answer
    assert world.outside() == before
    assert min(answers.values()) > 50, answers


@pytest.mark.skipif(sys.platform != "linux", reason="swaps by renameat2")
async def test_a_file_that_is_swapped_for_a_link_is_not_followed(world: World, connect: Connect) -> None:
    answers: dict[bool, int] = {True: 0, False: 0}
    async with connect("alice") as client:
        with _swapping(world.alice / "inside/note.txt", world.alice / "file-link"):
            for _ in range(2_000):
                result = await client.call_tool("read_file", {"path": "inside/note.txt"})
                answers[result.is_error] += 1
                assert "CANARY" not in str(result.structured_content)
    assert min(answers.values()) > 20, answers


@pytest.mark.skipif(sys.platform != "linux", reason="swaps by renameat2")
def test_a_checked_path_does_lead_out_under_the_same_swaps(world: World) -> None:
    _plant_swap(world)

    def read_checked() -> str:
        path = world.alice / "swap/canary.txt"
        with suppress(OSError):  # resolve itself trips over a swap
            return path.read_text() if path.resolve().is_relative_to(world.alice) else ""
        return ""

    with _swapping(world.alice / "swap", world.alice / "swapped"):
        assert any(read_checked() == "CANARY" for _ in range(50_000))


def _plant_swap(world: World) -> None:
    (world.alice / "swap").mkdir()
    for name in ("canary.txt", "kept.txt"):
        (world.alice / "swap" / name).write_text("mine")
    (world.alice / "swapped").symlink_to(world.root / "secret")


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


@contextmanager
def _swapping(one: Path, other: Path) -> Generator[None]:
    """Exchange the two names, atomically and over and over, from a thread."""
    stop, exchange = Event(), _exchange(one, other)

    def swap() -> None:
        while not stop.is_set():
            exchange()

    with ThreadPoolExecutor(1) as pool:
        swapper = pool.submit(swap)
        try:
            yield
        finally:
            stop.set()
        swapper.result()


def _exchange(one: Path, other: Path) -> Callable[[], None]:
    here, exchange_flag = -100, 2  # AT_FDCWD and RENAME_EXCHANGE, renameat2(2)
    renameat2, names = ctypes.CDLL(None).renameat2, (bytes(one), bytes(other))

    def exchange() -> None:
        assert renameat2(here, names[0], here, names[1], exchange_flag) == 0

    return exchange
