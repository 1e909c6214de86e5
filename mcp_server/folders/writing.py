"""Writing and deleting below a user's folder: whole or not at all, and within the user's room."""

from typing import Final, Literal, TypeAlias

from mcp_server.folders.changing import (
    Change,
    Decide,
    Redo,
    agree,
    discard,
    finish,
    identity,
    new_part,
    prepare,
    prune,
)
from mcp_server.folders.paths import PART, NoRoom, NothingThere, Parts, PathRefused
from mcp_server.folders.reading import MAX_FILE_BYTES, Entry, directory, entry_of, read, the_file, walk

__all__ = ["MAX_ENTRIES", "MAX_FOLDER_BYTES", "WriteMode", "delete", "write"]

MAX_FOLDER_BYTES: Final = 50_000_000
MAX_ENTRIES: Final = 2_000
"""Files and folders that one user may keep."""

WriteMode: TypeAlias = Literal["overwrite", "append", "create"]


def write(folder: int, parts: Parts, content: bytes, mode: WriteMode, decide: Decide | None = None) -> Change:
    """Write a file as a whole or not at all, making the folders it needs. Belongs within `changing`.

    Raises PathRefused, NoRoom, and what `decide` raises.
    """
    old = _existing(folder, parts)
    if old is not None and mode == "create":
        raise PathRefused("That file exists: send mode overwrite or append, or choose another path.")
    if old is not None and mode == "append":
        content = read(folder, parts) + content
    _check_room(folder, parts, old, len(content))
    with directory(folder, parts[:-1], make=True) as parent:
        redo = Redo(part=new_part() if decide else PART, path="/".join(parts))
        made = prepare(folder, redo.part, content)
        change = Change(entry_of(parts, made), redo, created=old is None)
        if decide is not None:
            agree(folder, change, decide)
        finish(folder, parent, redo)
        return change


def _existing(folder: int, parts: Parts) -> Entry | None:
    try:
        with directory(folder, parts[:-1]) as parent:
            return the_file(parent, parts)
    except NothingThere:
        return None


def _check_room(folder: int, parts: Parts, old: Entry | None, size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise NoRoom(f"A file can have at most {MAX_FILE_BYTES} bytes: write less, or several files.")
    kept = [entry.size for entry in walk(folder)]
    if old is None and len(kept) + len(parts) > MAX_ENTRIES:
        raise NoRoom("There are too many files: delete some with delete_file first.")
    if sum(kept) - (old.size if old else 0) + size > MAX_FOLDER_BYTES:
        raise NoRoom("The user's folder is full: delete files with delete_file first.")


def delete(folder: int, parts: Parts, decide: Decide | None = None) -> Change:
    """Delete a file, and the folders that it leaves empty. Belongs within `changing`.

    Raises NothingThere, PathRefused, and what `decide` raises.
    """
    with directory(folder, parts[:-1]) as parent:
        entry = the_file(parent, parts)
        redo = Redo(part=new_part(), path="/".join(parts), deletes=identity(parent, parts[-1]))
        change = Change(entry, redo)
        if decide is not None:
            prepare(folder, redo.part, b"")
            agree(folder, change, decide)
        finish(folder, parent, redo)
    prune(folder, parts)
    discard(folder, redo.part)
    return change
