"""The user's files, through the official client."""

from collections.abc import AsyncGenerator, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import anyio
import pytest
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken

from kit.ids import owner_id
from kit.postgres import Db, open_db
from kit.tokens.keys import BUILT_IN_ISSUER
from mcp_server.folders import writing
from mcp_server.tools import files
from tests.clients import Call, Connect


@pytest.fixture
async def db() -> AsyncGenerator[Db]:
    """Files need no database, so this one is never connected to."""
    async with open_db("postgresql://localhost/none") as db:
        yield db


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the files of the user `alice` are."""
    return tmp_path / "files" / str(owner_id(BUILT_IN_ISSUER, "alice"))


async def test_a_written_file_is_listed_read_found_and_deleted(call: Call, refused: Any) -> None:
    written = await call("write_file", path="notes/shop.txt", content="Milk\nBread\n")
    assert written.pop("created")
    assert (written["path"], written["kind"], written["bytes"]) == ("notes/shop.txt", "file", 11)
    assert (await call("list_files", path="notes"))["files"] == [written]
    assert (await call("read_file", path="notes/shop.txt"))["content"] == "Milk\nBread\n"
    assert (await call("search_files", query="bread"))["hits"] == [
        {"path": "notes/shop.txt", "line_number": 2, "line": "Bread"}
    ]
    assert await call("delete_file", path="notes/shop.txt", confirm=True) == written
    assert "list_files" in await refused("read_file", path="notes/shop.txt")
    assert "list_files" in await refused("delete_file", path="notes/shop.txt", confirm=True)


async def test_the_folder_is_private_and_made_on_demand(call: Call, folder: Path) -> None:
    assert await call("list_files") == {"files": [], "next_cursor": None}
    await call("write_file", path="deep/er/note.txt", content="x")
    modes = [path.stat().st_mode & 0o777 for path in (folder, folder / "deep/er")]
    assert [*modes, (folder / "deep/er/note.txt").stat().st_mode & 0o777] == [0o700, 0o700, 0o600]


async def test_modes_replace_append_and_create(call: Call, refused: Any) -> None:
    for mode, created in (("create", True), ("append", False)):
        assert (await call("write_file", path="a.txt", content="één\n", mode=mode))["created"] is created
    assert (await call("read_file", path="./a.txt"))["content"] == "één\néén\n"
    assert "overwrite" in await refused("write_file", path="a.txt", content="x", mode="create")
    await call("write_file", path="a.txt", content="")
    empty = await call("read_file", path="a.txt")
    assert (empty["content"], empty["total_lines"], empty["note"]) == ("", 0, None)


async def test_listing_goes_into_folders_only_when_asked_and_pages(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("b/c/d.txt", "b-.txt", "a.txt", "b/a.txt", "e.txt"):
        await call("write_file", path=path, content="x")
    assert [file["path"] for file in (await call("list_files"))["files"]] == ["a.txt", "b", "b-.txt", "e.txt"]
    whole = (await call("list_files", recursive=True))["files"]
    monkeypatch.setattr(files, "_LISTED", 3)
    paged, cursor = list[Any](), {}
    while cursor is not None:
        page = await call("list_files", recursive=True, **cursor)
        assert len(page["files"]) in {1, 3}
        paged += page["files"]
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
    assert paged == whole
    assert [file["path"] for file in whole if file["kind"] == "folder"] == ["b", "b/c"]


async def test_an_emptied_folder_goes_away_but_not_one_in_use(call: Call) -> None:
    for path in ("a/b/c.txt", "a/d.txt"):
        await call("write_file", path=path, content="x")
    await call("delete_file", path="a/b/c.txt", confirm=True)
    assert [file["path"] for file in (await call("list_files", recursive=True))["files"]] == ["a", "a/d.txt"]
    await call("delete_file", path="a/d.txt", confirm=True)
    assert (await call("list_files"))["files"] == []


async def test_a_range_of_lines_says_how_to_go_on(call: Call, refused: Any) -> None:
    await call("write_file", path="a.txt", content="1\r\n2\u2028\n3")
    page = await call("read_file", path="a.txt", max_lines=2)
    assert (page["content"], page["total_lines"], page["truncated"]) == ("1\r\n2\u2028\n", 3, True)
    assert page["note"].endswith("start_line 3.")
    rest = await call("read_file", path="a.txt", start_line=3)
    assert (rest["content"], rest["truncated"], rest["note"]) == ("3", False, None)
    assert "from 1 to 3" in await refused("read_file", path="a.txt", start_line=4)
    assert "from 1 to 1" in await refused("read_file", path="a.txt", start_line=3, start_column=2)


@pytest.mark.parametrize(
    "text", ["word " * 5 + "\n", "é" * 95, "x" * 30 + "\n" + "y" * 31 + "\nz", "a\n" * 40]
)
async def test_following_the_notes_reads_all_of_a_long_file(
    call: Call, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(files, "_READ_CHARACTERS", 10)
    await call("write_file", path="a.txt", content=text)
    page = await call("read_file", path="a.txt")
    read = page["content"]
    while page["truncated"]:
        words = page["note"].rstrip(".").split()
        position = {name: int(words[words.index(name) + 1]) for name in words if name.startswith("start_")}
        page = await call("read_file", path="a.txt", **position)
        assert 0 < len(page["content"]) <= 10
        read += page["content"]
    assert read == text


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a\x00b", "é".encode()[:1]])
async def test_what_is_not_text_is_refused_and_not_searched(
    call: Call, refused: Any, folder: Path, content: bytes
) -> None:
    _plant(folder / "picture", content + b" word")
    assert "not a text file" in await refused("read_file", path="picture")
    assert (await call("search_files", query="word"))["hits"] == []


async def test_search_ignores_case_in_names_and_contents(call: Call) -> None:
    await call("write_file", path="Trips/Rome.txt", content="Flight\nHotel ROMA\n")
    await call("write_file", path="todo.txt", content="x" * 500 + " book rome " + "x" * 500)
    hits = (await call("search_files", query=" rOm "))["hits"]
    assert [(hit["path"], hit["line_number"]) for hit in hits] == [
        ("Trips/Rome.txt", None),
        ("Trips/Rome.txt", 2),
        ("todo.txt", 1),
    ]
    assert "book rome" in hits[2]["line"]
    assert len(hits[2]["line"]) <= 200
    for path in ("Trips", "Trips/Rome.txt"):
        assert (await call("search_files", query="hotel", path=path))["hits"][0]["line"] == "Hotel ROMA"
    assert [hit["path"] for hit in (await call("search_files", query="trips"))["hits"]] == ["Trips"]
    assert (await call("search_files", query=".*"))["hits"] == []


async def test_search_says_when_it_has_not_shown_or_searched_all(
    call: Call, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await call("write_file", path="a.txt", content="word\n" * 51)
    found = await call("search_files", query="word")
    assert (len(found["hits"]), found["truncated"]) == (50, True)
    monkeypatch.setattr(files, "_SEARCHED_BYTES", 10)
    found = await call("search_files", query="word")
    assert (found["hits"], found["truncated"]) == ([], True)
    assert "not searched" in found["note"]
    assert "query" in await refused("search_files", query="  ")


async def test_a_file_has_a_largest_size(call: Call, refused: Any, folder: Path) -> None:
    await call("write_file", path="a.txt", content="é" * 500_000)
    for content, mode in (("x" * 1_000_001, "overwrite"), ("x", "append")):
        assert "1000000 bytes" in await refused("write_file", path="a.txt", content=content, mode=mode)
    (folder / "huge.txt").write_bytes(b"x" * 1_000_001)
    assert "larger" in await refused("read_file", path="huge.txt")
    assert (folder / "a.txt").stat().st_size == 1_000_000


async def test_a_users_folder_has_a_largest_size(
    call: Call, refused: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "MAX_FOLDER_BYTES", 10)
    monkeypatch.setattr(writing, "MAX_ENTRIES", 3)
    await call("write_file", path="a.txt", content="x" * 9)
    assert "full" in await refused("write_file", path="new/b.txt", content="xx")
    await call("write_file", path="a.txt", content="x" * 10)
    await call("write_file", path="b/c.txt", content="")
    for path in ("d.txt", "b/d.txt", "e/f/g.txt"):
        assert "too many" in await refused("write_file", path=path, content="")
    assert _names(folder) == ["a.txt", "b", "c.txt"]


async def test_parallel_writes_stay_within_the_limit_and_lose_nothing(
    connect: Connect, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "MAX_ENTRIES", 10)
    async with connect() as client:
        await client.call_tool("write_file", {"path": "log.txt", "content": "x"})
        async with anyio.create_task_group() as group:
            for number in range(40):
                path = "log.txt" if number % 2 else f"{number}.txt"
                arguments = {"path": path, "content": "x", "mode": "append"}
                group.start_soon(client.call_tool, "write_file", arguments)
    assert len(_names(folder)) == 10
    assert (folder / "log.txt").read_text() == "x" * 21


async def test_a_reader_never_sees_half_a_file(call: Call, folder: Path) -> None:
    versions = {letter * 200_000 for letter in "ab"}
    await call("write_file", path="a.txt", content="a" * 200_000)
    with _reading(folder / "a.txt") as seen:
        for number in range(100):
            await call("write_file", path="a.txt", content="ab"[number % 2] * 200_000)
    assert seen
    assert seen <= versions
    assert _names(folder) == ["a.txt"]


async def test_what_a_killed_writer_left_is_hidden_and_overwritten(
    call: Call, refused: Any, folder: Path
) -> None:
    _plant(folder / ".turnlog.part", b"half")
    assert (await call("list_files"))["files"] == []
    assert (await call("search_files", query="half"))["hits"] == []
    assert "another path" in await refused("read_file", path=".turnlog.part")
    await call("write_file", path="a.txt", content="whole")
    assert _names(folder) == ["a.txt"]


async def test_the_folder_is_that_of_the_token_when_there_is_one(connect: Connect, tmp_path: Path) -> None:
    token = AccessToken(token="t", client_id="c", scopes=[], subject="carol", claims={"iss": "https://idp"})
    reset = auth_context_var.set(AuthenticatedUser(token))
    async with connect("alice") as client:
        await client.call_tool("write_file", {"path": "a.txt", "content": "x"})
    auth_context_var.reset(reset)
    assert _names(tmp_path / "files") == [str(owner_id("https://idp", "carol")), "a.txt"]


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("write_file", {"path": "SECRET"}, "`content` to be text"),
        ("write_file", {"path": "SECRET", "content": "SECRET\x00"}, "plain text"),
        ("write_file", {"path": "SECRET", "content": "SECRET\ud800"}, "plain text"),
        ("write_file", {"path": "a", "content": "x", "mode": "SECRET"}, "one of overwrite, append, create"),
        ("write_file", {"path": "SECRET/", "content": "x", "colour": 1}, "takes only these arguments: path"),
        ("write_file", {"path": ".", "content": "x"}, "path of a file"),
        ("read_file", {"path": "a", "start_line": 0}, "a whole number from 1"),
        ("read_file", {"path": "SECRET"}, "call list_files"),
        ("list_files", {"path": "SECRET"}, "call list_files"),
        ("search_files", {"query": "x", "path": "SECRET"}, "call list_files"),
        ("delete_file", {"path": "", "confirm": True}, "path of a file"),
    ],
)
async def test_a_wrong_argument_is_answered_with_what_to_send(
    refused: Any, folder: Path, name: str, arguments: dict[str, Any], words: str
) -> None:
    said = await refused(name, **arguments)
    assert words in said
    assert "SECRET" not in said
    assert not _names(folder)


def _plant(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)


def _names(folder: Path) -> list[str]:
    return [path.name for path in sorted(folder.rglob("*"))]


@contextmanager
def _reading(path: Path) -> Generator[set[str]]:
    """Read `path` in a thread, over and over; give all that it has held."""
    seen, stop = set[str](), Event()

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_text())

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        try:
            yield seen
        finally:
            stop.set()
        reader.result()
