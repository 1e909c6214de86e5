"""Reading below a user's folder, by directory descriptors alone.

No path is compared or resolved: each name is opened below the directory opened before it, and the kernel
refuses to follow a link. So there is no moment between a check and a use in which to swap one.
"""

import errno
import os
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final
from uuid import UUID

from mcp_server.folders.paths import MAX_DEPTH, NoRoom, NothingThere, Parts, PathRefused, is_part, usable

__all__ = [
    "MAX_FILE_BYTES",
    "Entry",
    "directory",
    "entry_of",
    "look",
    "look_in",
    "open_folder",
    "read",
    "the_file",
    "walk",
]

MAX_FILE_BYTES: Final = 1_000_000

_MAX_SCANNED: Final = 10_000
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A FIFO that takes the file's place must not block the thread, nor a terminal become the server's own.
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or a folder; `size` in bytes, `modified` in seconds since the epoch."""

    parts: Parts
    is_folder: bool
    size: int
    modified: float

    @property
    def path(self) -> str:
        return "/".join(self.parts)


@contextmanager
def _plain_errors() -> Generator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise NothingThere("Nothing has that path; call list_files to see what there is.") from error
    except OSError as error:
        match error.errno:
            case errno.ENOTDIR | errno.EISDIR | errno.ELOOP:
                words = "That path leads through something that is not a folder; call list_files."
            case errno.EACCES | errno.EPERM:
                words = "The server is not allowed to open that; choose another path."
            case errno.ENAMETOOLONG:
                words = "Choose a shorter name."
            case errno.ENOSPC | errno.EDQUOT:
                raise NoRoom("The server's disk is full; tell the user.") from error
            case _:
                raise
        raise PathRefused(words) from error


@contextmanager
def open_folder(root: Path, user: UUID) -> Generator[int]:
    """A descriptor of the user's folder below `root`; both are made when missing."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    base = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with directory(base, (str(user),), make=True) as folder:
            yield folder
    finally:
        os.close(base)


@contextmanager
def directory(top: int, parts: Parts, *, make: bool = False) -> Generator[int]:
    """A descriptor of the directory `parts` below `top`. What the body fails on is put in plain words too."""
    with _plain_errors():
        current = os.open(".", _DIRECTORY, dir_fd=top)
        try:
            for name in parts:
                if make:
                    _make(current, name)
                inner = os.open(name, _DIRECTORY, dir_fd=current)
                os.close(current)
                current = inner
            yield current
        finally:
            os.close(current)


def _make(parent: int, name: str) -> None:
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
        os.fsync(parent)


def entry_of(parts: Parts, found: os.stat_result) -> Entry:
    """Raises PathRefused for links and devices, and for files that have a second name.

    The tools never make a second name. So a hard link was put there by something else, and its other
    name may be in somebody else's folder or in the system's.
    """
    is_folder = stat.S_ISDIR(found.st_mode)
    if not is_folder and not (stat.S_ISREG(found.st_mode) and found.st_nlink <= 1):
        raise PathRefused("That is a link or a special file, which cannot be used; choose another path.")
    return Entry(parts, is_folder, 0 if is_folder else found.st_size, found.st_mtime)


def look_in(parent: int, parts: Parts) -> Entry:
    """What the last name of `parts` is in the directory `parent`."""
    return entry_of(parts, os.stat(parts[-1], dir_fd=parent, follow_symlinks=False))


def look(folder: int, parts: Parts) -> Entry:
    """What is at `parts`. Raises NothingThere, PathRefused."""
    if not parts:
        return entry_of(parts, os.fstat(folder))
    with directory(folder, parts[:-1]) as parent:
        return look_in(parent, parts)


def walk(folder: int, parts: Parts = (), *, deepest: int = MAX_DEPTH) -> Iterator[Entry]:
    """The files and folders below the folder `parts`, in order of their parts, down to `deepest` names.

    Leaves out what the other functions refuse. Raises NothingThere, PathRefused for `parts` itself.
    """
    with directory(folder, parts) as top:
        yield from _walk(top, parts, deepest)


def _walk(top: int, parts: Parts, deepest: int) -> Iterator[Entry]:
    with os.scandir(top) as found:
        names = sorted(entry.name for entry in islice(found, _MAX_SCANNED) if usable(entry.name))
    for name in names:
        inner = (*parts, name)
        if len(inner) == 1 and is_part(name):
            continue
        with suppress(NothingThere, PathRefused), _plain_errors():
            entry = look_in(top, inner)
            yield entry
            if entry.is_folder and len(inner) < deepest:
                with directory(top, (name,)) as below:
                    yield from _walk(below, inner, deepest)


def read(folder: int, parts: Parts) -> bytes:
    """The whole file. Raises NothingThere, PathRefused, or NoRoom when it is over MAX_FILE_BYTES."""
    with directory(folder, parts[:-1]) as parent:
        the_file(parent, parts)
        descriptor = os.open(parts[-1], _READ, dir_fd=parent)
        try:
            # What was looked at and what was opened need not be the same thing.
            _not_folder(entry_of(parts, os.fstat(descriptor)))
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                content = file.read(MAX_FILE_BYTES + 1)
        finally:
            os.close(descriptor)
    if len(content) > MAX_FILE_BYTES:
        raise NoRoom(f"That file is larger than {MAX_FILE_BYTES} bytes, the most that can be read.")
    return content


def the_file(parent: int, parts: Parts) -> Entry:
    """What is at the end of `parts` in `parent`. Raises NothingThere, and PathRefused for a folder."""
    return _not_folder(look_in(parent, parts) if parts else entry_of(parts, os.fstat(parent)))


def _not_folder(entry: Entry) -> Entry:
    if entry.is_folder:
        raise PathRefused("That is a folder: send the path of a file, which list_files shows.")
    return entry
