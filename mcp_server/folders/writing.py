"""Writing and deleting below a user's folder: whole or not at all, and within the user's room."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Final, Literal, TypeAlias

from mcp_server.folders.paths import PART, NoRoom, NothingThere, Parts, PathRefused
from mcp_server.folders.reading import MAX_FILE_BYTES, Entry, directory, look_in, read, the_file, walk

__all__ = ["MAX_ENTRIES", "MAX_FOLDER_BYTES", "WriteMode", "delete", "write"]

MAX_FOLDER_BYTES: Final = 50_000_000
MAX_ENTRIES: Final = 2_000
"""Files and folders that one user may keep."""

_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

WriteMode: TypeAlias = Literal["overwrite", "append", "create"]


@contextmanager
def _locked(folder: int) -> Generator[None]:
    """One writer a user, across threads and processes; each call has a descriptor of its own."""
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(folder, fcntl.LOCK_UN)


def write(folder: int, parts: Parts, content: bytes, mode: WriteMode) -> tuple[Entry, bool]:
    """Write a file as a whole or not at all, making the folders it needs.

    Returns it and whether it is new. Raises PathRefused, NoRoom.
    """
    with _locked(folder):
        old = _existing(folder, parts)
        if old is not None and mode == "create":
            raise PathRefused("That file exists: send mode overwrite or append, or choose another path.")
        if old is not None and mode == "append":
            content = read(folder, parts) + content
        _check_room(folder, parts, old, len(content))
        with directory(folder, parts[:-1], make=True) as parent:
            _replace(folder, parent, parts[-1], content)
            return look_in(parent, parts), old is None


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


def _replace(folder: int, parent: int, name: str, content: bytes) -> None:
    with suppress(FileNotFoundError):
        os.unlink(PART, dir_fd=folder)  # of a writer that was killed
    try:
        descriptor = os.open(PART, _WRITE, 0o600, dir_fd=folder)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.rename(PART, name, src_dir_fd=folder, dst_dir_fd=parent)
        os.fsync(parent)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(PART, dir_fd=folder)


def delete(folder: int, parts: Parts) -> Entry:
    """Delete a file, and the folders that it leaves empty; return what it was.

    Raises NothingThere, PathRefused.
    """
    with _locked(folder):
        with directory(folder, parts[:-1]) as parent:
            entry = the_file(parent, parts)
            os.unlink(parts[-1], dir_fd=parent)
            os.fsync(parent)
        with suppress(OSError, NothingThere, PathRefused):  # not empty, most often
            for depth in range(len(parts) - 1, 0, -1):
                with directory(folder, parts[: depth - 1]) as above:
                    os.rmdir(parts[depth - 1], dir_fd=above)
    return entry
