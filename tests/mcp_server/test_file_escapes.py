"""Ways out of a user's folder, through the official client: none may work."""

import os
from collections.abc import AsyncGenerator, Iterator
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest

from kit.ids import owner_id
from kit.postgres import Db, open_db
from kit.tokens.keys import BUILT_IN_ISSUER
from tests.clients import Call, Connect, text_of
from tests.mcp_server.traps import BOB, World, laid

_BOB: Final = str(BOB)
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


@pytest.fixture
def world(tmp_path: Path) -> World:
    return laid(tmp_path)


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
