"""What is in a resource, read through the guards of the tools."""

from base64 import b64encode
from itertools import islice
from mimetypes import MimeTypes
from pathlib import PurePosixPath
from typing import Final, Literal

from anyio import to_thread
from mcp_types import BlobResourceContents, TextResourceContents

from mcp_server import folders
from mcp_server.context import ToolContext, deps, owner
from mcp_server.resources.addresses import FilePath, TodoId, TodoList, file_uri, parse
from mcp_server.resources.trouble import UnknownResource
from mcp_server.tools.todos import TodoPage, find_todo, list_todos

__all__ = ["FOLDER_TYPE", "JSON_TYPE", "Contents", "contents_of", "file_contents", "mime_type"]

FOLDER_TYPE: Final = "inode/directory"
JSON_TYPE: Final = "application/json"
MOST_TODOS: Final = 500
PAGE_OF_TODOS: Final = 100
MOST_URIS: Final = 2_000
"""As many as a person may have by the tools; somebody else may have put more there."""

_LIST_TYPE: Final = "text/uri-list"
# Not what this machine's files say: every replica is to answer the same.
_TYPES: Final = MimeTypes(filenames=())
# Not every Python knows what notes are written in.
_NOTES: Final = {".md": "text/markdown", ".yaml": "application/yaml", ".yml": "application/yaml"}

Contents = TextResourceContents | BlobResourceContents


async def contents_of(ctx: ToolContext, uri: str) -> Contents:
    """Raises UnknownResource, and PathRefused and NoRoom for what is there but cannot be read."""
    match parse(uri):
        case TodoList(status):
            return _json(uri, await _todos(ctx, status))
        case TodoId(todo_id):
            todo = await find_todo(ctx, todo_id)
            if todo is None:
                raise UnknownResource
            return _json(uri, todo.model_dump_json())
        case FilePath(parts):
            try:
                found = await to_thread.run_sync(_at, ctx, parts)
            except folders.NothingThere as error:
                raise UnknownResource from error
            return found.model_copy(update={"uri": uri})


async def file_contents(ctx: ToolContext, parts: folders.Parts) -> Contents:
    """Raises NothingThere, NoRoom, and PathRefused also for a folder."""
    return await to_thread.run_sync(_only_file, ctx, parts)


def mime_type(name: str) -> str | None:
    """What a file of that name should be; None where the name does not say."""
    known = _NOTES.get(PurePosixPath(name).suffix.lower())
    guessed, encoding = _TYPES.guess_type(f"file:///{name}", strict=False)
    return known or (None if encoding else guessed)


async def _todos(ctx: ToolContext, status: Literal["open", "all"]) -> str:
    """As list_todos answers, but more of them, and without the notes, which may be long."""
    page = await list_todos(ctx, status=status, limit=PAGE_OF_TODOS)
    found, cursor = page.todos, page.next_cursor
    while cursor is not None and len(found) < MOST_TODOS:
        page = await list_todos(ctx, status=status, limit=PAGE_OF_TODOS, cursor=cursor)
        found, cursor = [*found, *page.todos], page.next_cursor
    whole = TodoPage(todos=found, next_cursor=cursor)
    return whole.model_dump_json(exclude={"todos": {"__all__": {"notes"}}})


def _json(uri: str, text: str) -> Contents:
    return TextResourceContents(uri=uri, mime_type=JSON_TYPE, text=text)


def _at(ctx: ToolContext, parts: folders.Parts) -> Contents:
    with folders.open_folder(deps(ctx).files_root, owner(ctx)) as folder:
        if not folders.look(folder, parts).is_folder:
            return _file(folder, parts)
        inside = islice(folders.walk(folder, parts, deepest=len(parts) + 1), MOST_URIS)
        lines = "".join(f"{file_uri(entry.parts)}\r\n" for entry in inside)
    return TextResourceContents(uri=file_uri(parts), mime_type=_LIST_TYPE, text=lines)


def _only_file(ctx: ToolContext, parts: folders.Parts) -> Contents:
    with folders.open_folder(deps(ctx).files_root, owner(ctx)) as folder:
        return _file(folder, parts)


def _file(folder: int, parts: folders.Parts) -> Contents:
    content, uri = folders.read(folder, parts), file_uri(parts)
    guessed, text = mime_type(parts[-1]), _text(content)
    if text is None:
        blob = b64encode(content).decode()
        return BlobResourceContents(uri=uri, mime_type=guessed or "application/octet-stream", blob=blob)
    return TextResourceContents(uri=uri, mime_type=guessed or "text/plain", text=text)


def _text(content: bytes) -> str | None:
    if b"\x00" in content:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None
