"""The user's todos and files as resources, through the official client, in both eras."""

import json
from base64 import b64decode
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, BlobResourceContents, TextResourceContents

from kit.postgres import Db
from mcp_server import pages
from mcp_server.resources import contents
from tests.mcp_server.doors import ERAS, Era, folder_of, in_memory, put, refusal

pytestmark = pytest.mark.parametrize("era", ERAS)

NOT_FOUND = {"legacy": -32002, "2026-07-28": INVALID_PARAMS}

NO_RESOURCES = (
    "",
    "todo",
    "todo://",
    "todo://done",
    "todo://00000000-0000-0000-0000-000000000000",
    "todo://{0}",
    "todo://open/../all",
    "todo://\x00",
    "todo://" + "0" * 10_000,
    "file:///missing.txt",
    "file:///" + "a" * 10_000,
    "file:///a.txt?x=1",
    "file:///a.txt#x",
    "file:///100%.txt",
    "file:///%ff",
    "file://localhost/a.txt",
    "file://../a.txt",
    "file:a.txt",
    "http://127.0.0.1/",
    "https://example.org/a.txt",
    "data:text/plain,hello",
    "javascript:alert(1)",
    "\x00file:///a.txt",
    " file:///a.txt",
    "fi\nle:///a.txt",
)
NO_PATHS = (
    "../secret.txt",
    "%2e%2e/secret.txt",
    "..%2fsecret.txt",
    "a/..%2F..%2Fsecret.txt",
    "%2Fetc/passwd",
    "/etc/passwd",
    "~/x",
    "..%5Csecret.txt",
    "a.txt%00",
    "a\x00.txt",
    "a\nb",
    "link",
    "hard",
    "above/secret.txt",
    ".turnlog.part",
    "a.txt/b",
    "/".join("a" * 20),
    "a" * 300,
)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return tmp_path / "files"


@pytest.fixture
def folder(files: Path, user: str) -> Path:
    return folder_of(files, user)


@pytest.fixture
async def client(shared_db: Db, files: Path, user: str, era: Era) -> AsyncGenerator[Client]:
    async with in_memory(shared_db, files, user, era) as client:
        yield client


async def read(client: Client, uri: str) -> TextResourceContents | BlobResourceContents:
    (content,) = (await client.read_resource(uri)).contents
    assert content.uri == uri
    return content


async def text(client: Client, uri: str, mime_type: str) -> str:
    content = await read(client, uri)
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == mime_type
    return content.text


async def blob(client: Client, uri: str, mime_type: str) -> bytes:
    content = await read(client, uri)
    assert isinstance(content, BlobResourceContents)
    assert content.mime_type == mime_type
    return b64decode(content.blob)


async def test_the_todos_are_listed_and_read(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = (await client.list_resources()).resources
    assert [resource.uri for resource in listed] == ["todo://open", "todo://all"]
    empty: Any = {"todos": [], "next_cursor": None}
    assert json.loads(await text(client, "todo://open", "application/json")) == empty
    milk = (await client.call_tool("add_todo", {"title": "Milk", "notes": "2 l"})).structured_content
    rent = (await client.call_tool("add_todo", {"title": "Rent"})).structured_content
    assert milk
    assert rent
    await client.call_tool("complete_todo", {"id": rent["id"]})
    of_open: Any = json.loads(await text(client, "todo://open", "application/json"))
    assert of_open["todos"] == [{name: value for name, value in milk.items() if name != "notes"}]
    of_all = json.loads(await text(client, "todo://all", "application/json"))
    assert [todo["title"] for todo in of_all["todos"]] == ["Milk", "Rent"]
    assert json.loads(await text(client, f"todo://{milk['id']}", "application/json")) == milk
    monkeypatch.setattr(contents, "MOST_TODOS", 1)
    monkeypatch.setattr(contents, "PAGE_OF_TODOS", 1)
    cut: Any = json.loads(await text(client, "todo://all", "application/json"))
    rest: Any = await client.call_tool("list_todos", {"status": "all", "cursor": cut["next_cursor"]})
    assert [todo["title"] for todo in cut["todos"]] == ["Milk"]
    assert [todo["title"] for todo in rest.structured_content["todos"]] == ["Rent"]


async def test_the_top_of_the_folder_is_listed_in_pages(
    client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("a.txt", "b/inside.txt", "c d#1.md", "é.png", "f"):
        put(folder, path, b"12345")
    (folder / "link").symlink_to("/etc/passwd")
    monkeypatch.setattr(pages, "SIZE", 2)
    found, cursor, sizes = list[Any](), None, list[int]()
    while True:
        page = await client.list_resources(cursor=cursor)
        found += page.resources
        sizes.append(len(page.resources))
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sizes == [4, 2, 1]
    shown = {one.uri: (one.name, one.mime_type, one.size) for one in found if one.uri.startswith("file:")}
    assert shown == {
        "file:///a.txt": ("a.txt", "text/plain", 5),
        "file:///b": ("b", "inode/directory", None),
        "file:///c%20d%231.md": ("c d#1.md", "text/markdown", 5),
        "file:///f": ("f", None, 5),
        "file:///%C3%A9.png": ("é.png", "image/png", 5),
    }
    for uri in shown:
        await read(client, uri)


async def test_templates_are_listed(client: Client) -> None:
    listed = await client.list_resource_templates()
    assert [one.uri_template for one in listed.resource_templates] == ["todo://{id}", "file:///{+path}"]
    assert listed.next_cursor is None


async def test_files_are_text_or_bytes_with_their_type(
    client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    png = b"\x89PNG\r\n\x1a\n\x00\xff"
    for path, content in (
        ("n/a.md", b"# \xc3\xa9\n"),
        ("x.png", png),
        ("raw", b"\xff"),
        ("z.csv.gz", b"\x1f\x8b"),
    ):
        put(folder, path, content)
    assert await text(client, "file:///n/a.md", "text/markdown") == "# é\n"
    assert await text(client, "FILE:///n%2Fa%2emd", "text/markdown") == "# é\n"
    assert await blob(client, "file:///x.png", "image/png") == png
    assert await blob(client, "file:///raw", "application/octet-stream") == b"\xff"
    assert await blob(client, "file:///z.csv.gz", "application/octet-stream") == b"\x1f\x8b"
    assert await text(client, "file:///n", "text/uri-list") == "file:///n/a.md\r\n"
    assert "file:///x.png\r\n" in await text(client, "file:///", "text/uri-list")
    monkeypatch.setattr(contents, "MOST_URIS", 2)
    assert await text(client, "file:///", "text/uri-list") == "file:///n\r\nfile:///raw\r\n"


async def test_what_is_no_resource_is_answered_as_such(client: Client, folder: Path, era: Era) -> None:
    put(folder, "a.txt", b"secret")
    for uri in NO_RESOURCES:
        with pytest.raises(MCPError, match="resources/list") as raised:
            await client.read_resource(uri)
        assert (raised.value.code, raised.value.data) == (NOT_FOUND[era], {"uri": uri})


async def test_a_path_leads_nowhere_else(client: Client, files: Path, folder: Path) -> None:
    put(files, "secret.txt", b"secret")
    put(folder, "a.txt", b"mine")
    put(folder, ".turnlog.part", b"part")
    (folder / "link").symlink_to(files / "secret.txt")
    (folder / "above").symlink_to(files)
    (folder / "hard").hardlink_to(files / "secret.txt")
    for path in NO_PATHS:
        code, sentence = await refusal(client.read_resource(f"file:///{path}"))
        assert (path, code, sentence[-1]) == (path, INVALID_PARAMS, ".")
        assert "secret" not in sentence


async def test_a_file_that_is_too_large_is_refused(client: Client, folder: Path) -> None:
    put(folder, "large.bin", b"\xff" * 1_000_001)
    code, sentence = await refusal(client.read_resource("file:///large.bin"))
    assert (code, "1000000 bytes" in sentence) == (INVALID_PARAMS, True)


async def test_a_bad_cursor_is_refused(client: Client) -> None:
    for cursor in ("", "x", "é", "AAAA", "dGVtcGxhdGVzCng=", "A" * 10_000):
        for request in (client.list_resources, client.list_resource_templates):
            code, sentence = await refusal(request(cursor=cursor))
            assert (cursor, code, "nextCursor" in sentence) == (cursor, INVALID_PARAMS, True)


async def test_nobody_sees_what_is_somebody_elses(
    client: Client, shared_db: Db, files: Path, user: str, era: Era
) -> None:
    await client.call_tool("write_file", {"path": "mine.txt", "content": "mine"})
    todo: Any = (await client.call_tool("add_todo", {"title": "Mine"})).structured_content
    async with in_memory(shared_db, files, f"not-{user}", era) as bob:
        assert len((await bob.list_resources()).resources) == 2
        for uri in ("file:///mine.txt", f"todo://{todo['id']}"):
            assert (await refusal(bob.read_resource(uri)))[0] == NOT_FOUND[era]
        assert json.loads(await text(bob, "todo://all", "application/json"))["todos"] == []
