"""The user's own files: text, in a folder that nobody else can reach.

The tools are plain functions, which the SDK runs on worker threads.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from io import StringIO
from itertools import dropwhile, islice
from typing import Annotated, Final, Literal

from anyio import from_thread
from pydantic import BaseModel, Field

from mcp_server import folders
from mcp_server.confirming import Confirm, Unconfirmed
from mcp_server.context import ToolContext, ToolError, deps, owner, zone
from mcp_server.effects import is_carrying, keep, redo_of
from mcp_server.progress import Pace
from mcp_server.tooling import tool

__all__ = ["TOOLS"]

_LISTED: Final = 200
_READ_CHARACTERS: Final = 10_000
_HITS: Final = 50
_HIT_CHARACTERS: Final = 200
_SEARCHED_BYTES: Final = 10_000_000

_Path = Annotated[str, Field(max_length=1000, description="Path of the file, relative to the user's folder")]
_FolderPath = Annotated[
    str, Field(max_length=1000, description="Folder to look in; left out: the user's whole folder")
]


class FileItem(BaseModel):
    path: str
    kind: Literal["file", "folder"] = "file"
    bytes: int
    modified: datetime


class FilePage(BaseModel):
    files: list[FileItem]
    next_cursor: str | None = Field(None, description="Send it as cursor to get the next page")


class FileText(BaseModel):
    path: str
    content: str
    start_line: int
    total_lines: int
    truncated: bool = False
    note: str | None = Field(None, description="How to get the rest")


class WrittenFile(FileItem):
    created: bool = Field(description="False if the file was there before")


class Hit(BaseModel):
    path: str
    line_number: int | None = Field(default=None, description="None where the name itself matches")
    line: str | None = None


class Hits(BaseModel):
    hits: list[Hit]
    truncated: bool = False
    note: str | None = Field(None, description="How to get the rest")


def list_files(
    ctx: ToolContext,
    path: _FolderPath = "",
    recursive: Annotated[bool, Field(description="Also what is in the folders inside")] = False,  # noqa: FBT002
    cursor: Annotated[str, Field(max_length=5000, description="next_cursor of the page before")]
    | None = None,
) -> FilePage:
    """List the names of the user's files and folders, without what is in them."""
    parts = folders.split(path)
    deepest = {} if recursive else {"deepest": len(parts) + 1}
    after = tuple(cursor.split("/")) if cursor else ()
    with _folder(ctx) as folder:
        entries = dropwhile(lambda entry: entry.parts <= after, folders.walk(folder, parts, **deepest))
        page = list(islice(entries, _LISTED + 1))
    more = page[_LISTED - 1].path if len(page) > _LISTED else None
    return FilePage(files=[_item(ctx, entry) for entry in page[:_LISTED]], next_cursor=more)


def read_file(
    ctx: ToolContext,
    path: _Path,
    start_line: Annotated[int, Field(ge=1, le=1_000_000, description="First line to read")] = 1,
    max_lines: Annotated[int, Field(ge=1, le=2000, description="How many lines at most")] = 500,
    start_column: Annotated[
        int, Field(ge=1, le=1_000_000, description="Character of the first line to begin at")
    ] = 1,
) -> FileText:
    """Show what is in a text file of the user, as a whole or from one line on."""
    parts = folders.split(path)
    with _folder(ctx) as folder:
        lines = _lines(_text(folders.read(folder, parts)))
    here = _line_at(lines, start_line, start_column)
    content = _cut("".join([here, *lines[start_line : start_line + max_lines - 1]]))
    truncated = len(content) < len(here) + sum(map(len, lines[start_line:]))
    return FileText(
        path="/".join(parts),
        content=content,
        start_line=start_line,
        total_lines=len(lines),
        truncated=truncated,
        note=_how_to_go_on(content, start_line, start_column) if truncated else None,
    )


def write_file(
    ctx: ToolContext,
    path: _Path,
    content: Annotated[str, Field(description="The text to write")],
    mode: Annotated[
        folders.WriteMode,
        Field(description="Replace the whole file, add to its end, or only make a new file"),
    ] = "overwrite",
) -> WrittenFile:
    """Save text that the user wants to keep to a file. Folders in the path are made."""
    parts = folders.split(path)
    with _changing(ctx) as folder:
        change = folders.write(folder, parts, _utf8(content), mode, _decide(ctx, _written))
    return _written(ctx, change)


def search_files(
    ctx: ToolContext,
    query: Annotated[str, Field(min_length=1, max_length=200, description="The text to look for")],
    path: _FolderPath = "",
) -> Hits:
    """Find which of the user's own files have a text in their name or content, in upper or lower case."""
    parts, needle = folders.split(path), query.strip().casefold()
    if not needle:
        raise ToolError("Send the text to look for as query.")
    with _folder(ctx) as folder:
        hits, skipped = _search(folder, parts, needle, Pace(ctx))
    note = None
    if len(hits) > _HITS:
        note = "There are more hits: search for a longer text, or send the path of one folder."
    elif skipped:
        note = "Some files were not searched: send the path of one folder."
    return Hits(hits=hits[:_HITS], truncated=note is not None, note=note)


def delete_file(ctx: ToolContext, path: _Path, confirm: Confirm = False) -> FileItem:  # noqa: FBT002
    """Delete a file of the user for good. A folder goes away with its last file."""
    parts = folders.split(path)
    if not confirm:
        with _folder(ctx) as folder:
            entry = folders.look(folder, parts)
        if not entry.is_folder:  # which is refused below
            raise Unconfirmed(f"Delete the file {entry.path} of {entry.size} bytes for good?")
    with _changing(ctx) as folder:
        change = folders.delete(folder, parts, _decide(ctx, _deleted))
    return _deleted(ctx, change)


def _folder(ctx: ToolContext) -> AbstractContextManager[int]:
    return folders.open_folder(deps(ctx).files_root, owner(ctx))


@contextmanager
def _changing(ctx: ToolContext) -> Generator[int]:
    def decided(parts: list[str]) -> list[folders.Redo]:
        return [folders.Redo.model_validate(redo) for redo in from_thread.run(redo_of, ctx, parts)]

    with _folder(ctx) as folder, folders.changing(folder, decided):
        yield folder


def _decide(
    ctx: ToolContext, result: Callable[[ToolContext, folders.Change], BaseModel]
) -> folders.Decide | None:
    """How a call that carries a key decides its change; None for one without."""

    def decide(change: folders.Change) -> None:
        from_thread.run(keep, ctx, result(ctx, change), change.redo)

    return decide if is_carrying() else None


def _written(ctx: ToolContext, change: folders.Change) -> WrittenFile:
    return WrittenFile(**_deleted(ctx, change).model_dump(), created=change.created)


def _deleted(ctx: ToolContext, change: folders.Change) -> FileItem:
    return _item(ctx, change.entry)


def _item(ctx: ToolContext, entry: folders.Entry) -> FileItem:
    return FileItem(
        path=entry.path,
        kind="folder" if entry.is_folder else "file",
        bytes=entry.size,
        modified=datetime.fromtimestamp(int(entry.modified), zone(ctx)),
    )


def _text(content: bytes) -> str:
    binary = "That is not a text file, so it cannot be read."
    if b"\x00" in content:
        raise ToolError(binary)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ToolError(binary) from error


def _utf8(text: str) -> bytes:
    """What read_file can read back. Raises ToolError for NUL and for half a surrogate pair."""
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ToolError("Send content as plain text: it has a character that no text file can keep.")
    return text.encode()


def _lines(text: str) -> list[str]:
    """The lines with their ends. Unlike str.splitlines, only a line feed ends one, as in other tools."""
    return StringIO(text).readlines()


def _line_at(lines: list[str], line: int, column: int) -> str:
    """A line from a column on; an empty file has one empty line. Raises ToolError for one it has not."""
    if line > max(len(lines), 1):
        raise ToolError(f"Send a start_line from 1 to {max(len(lines), 1)}: the file has no more lines.")
    text = lines[line - 1] if lines else ""
    if column > max(len(text), 1):
        raise ToolError(f"Send a start_column from 1 to {max(len(text), 1)}: the line is not longer.")
    return text[column - 1 :]


def _cut(text: str) -> str:
    """The start of a text that is too long: whole lines, or part of a line where not even one fits."""
    if len(text) <= _READ_CHARACTERS:
        return text
    start = text[:_READ_CHARACTERS]
    return start[: start.rfind("\n") + 1] or start


def _how_to_go_on(content: str, line: int, column: int) -> str:
    passed = content.count("\n")
    where = f"start_line {line + passed}"
    if not passed:
        where += f" and start_column {column + len(content)}"
    return f"There is more: call read_file again with {where}."


def _search(folder: int, parts: folders.Parts, needle: str, pace: Pace) -> tuple[list[Hit], bool]:
    """At most one hit more than are shown, and whether the contents of some files were left out."""
    hits, room, skipped = list[Hit](), _SEARCHED_BYTES, False
    top = folders.look(folder, parts)
    for number, entry in enumerate(folders.walk(folder, parts) if top.is_folder else [top], 1):
        pace.step(number, f"Searched {number} files and folders")
        name = entry.path if "/" in needle else entry.parts[-1]
        if needle in name.casefold():
            hits.append(Hit(path=entry.path))
        if entry.size > room:
            skipped = True
        elif not entry.is_folder:
            room -= entry.size
            hits += islice(_line_hits(folder, entry, needle), _HITS + 1)
        if len(hits) > _HITS:
            break
    return hits, skipped


def _line_hits(folder: int, entry: folders.Entry, needle: str) -> Iterator[Hit]:
    with suppress(ToolError):  # binary, too large, or gone since it was listed
        text = _text(folders.read(folder, entry.parts))
        for number, line in enumerate(_lines(text), 1):
            at = line.casefold().find(needle)
            if at >= 0:
                yield Hit(path=entry.path, line_number=number, line=_around(line, at))


def _around(line: str, at: int) -> str:
    start = max(0, at - _HIT_CHARACTERS // 4)
    return line[start : start + _HIT_CHARACTERS].strip()


TOOLS: Final = (
    tool(list_files, title="List files", read_only=True),
    tool(read_file, title="Read a file", read_only=True),
    tool(write_file, title="Write a file", destructive=True, once=True),
    tool(search_files, title="Search files", read_only=True),
    tool(delete_file, title="Delete a file", destructive=True, idempotent=True, once=True),
)
