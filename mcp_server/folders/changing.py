"""One change of a folder after the other, and what one that was killed has left.

A change that may be asked for again is prepared as a file with a name of its own, decided by whoever keeps
its result, and finished by a rename or an unlink. The next change of the same folder first finishes what was
decided, and throws away what was not.
"""

import fcntl
import os
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final, TypeAlias

from pydantic import BaseModel

from kit.ids import new_id
from mcp_server.context import ToolError
from mcp_server.folders.paths import PART, NothingThere, Parts, PathRefused, split
from mcp_server.folders.reading import Entry, directory

__all__ = [
    "Change",
    "Decide",
    "Decided",
    "Redo",
    "agree",
    "changing",
    "discard",
    "finish",
    "identity",
    "new_part",
    "prepare",
    "prune",
]

_KEPT_PART: Final = f"{PART}-"
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Redo(BaseModel, frozen=True):
    """What is left to do once a change is decided: `part` becomes the file at `path`, or that file goes.

    `deletes` is the inode and the time of change, in nanoseconds, of the very file that goes.
    """

    part: str
    path: str
    deletes: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """The file as it will be, or as it was where it goes."""

    entry: Entry
    redo: Redo
    created: bool = False


Decide: TypeAlias = Callable[[Change], None]
"""Keeps that the change will happen, before it does. Raises ToolError where it must not."""

Decided: TypeAlias = Callable[[list[str]], Iterable[Redo]]
"""Of these parts, what is left to do for those whose change was decided."""


@contextmanager
def changing(folder: int, decided: Decided) -> Generator[None]:
    """One writer a user, across threads and processes, who finds nothing half done.

    Each call needs a descriptor of its own.
    """
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        _settle(folder, decided)
        yield
    finally:
        fcntl.flock(folder, fcntl.LOCK_UN)


def _settle(folder: int, decided: Decided) -> None:
    with os.scandir(folder) as found:
        left = [entry.name for entry in found if entry.name.startswith(_KEPT_PART)]
    for redo in decided(left) if left else ():
        parts = split(redo.path)
        # Refused where something other than the tools has changed the folder since. There is no more to be
        # done then, and it must not keep the user from changing anything ever again.
        with (
            suppress(NothingThere, PathRefused),
            directory(folder, parts[:-1], make=redo.deletes is None) as parent,
        ):
            finish(folder, parent, redo)
        if redo.deletes is not None:
            prune(folder, parts)
    for part in left:
        discard(folder, part)


def finish(folder: int, parent: int, redo: Redo) -> None:
    """Let `parent`, the directory of `redo.path`, hold what was decided."""
    name = split(redo.path)[-1]
    if redo.deletes is None:
        os.rename(redo.part, name, src_dir_fd=folder, dst_dir_fd=parent)
    elif redo.deletes == identity(parent, name):
        os.unlink(name, dir_fd=parent)
    os.fsync(parent)


def identity(parent: int, name: str) -> tuple[int, int]:
    """Which file has that name, for as long as nobody writes to it."""
    found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    return found.st_ino, found.st_mtime_ns


def prune(folder: int, parts: Parts) -> None:
    """Remove the folders on the way to `parts` that are empty."""
    with suppress(OSError, NothingThere, PathRefused):  # not empty, most often
        for depth in range(len(parts) - 1, 0, -1):
            with directory(folder, parts[: depth - 1]) as above:
                os.rmdir(parts[depth - 1], dir_fd=above)


def prepare(folder: int, part: str, content: bytes) -> os.stat_result:
    """Make the file `part`, whole or not at all."""
    discard(folder, part)
    try:
        descriptor = os.open(part, _WRITE, 0o600, dir_fd=folder)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
            return os.fstat(descriptor)
    except OSError:
        discard(folder, part)
        raise


def agree(folder: int, change: Change, decide: Decide) -> None:
    """Decide a prepared change. Raises what `decide` raises."""
    os.fsync(folder)  # once it is decided, its part must not get lost
    try:
        decide(change)
    except ToolError:
        # Any other error may come after the decision has been made.
        discard(folder, change.redo.part)
        prune(folder, change.entry.parts)
        raise


def new_part() -> str:
    """A name that no other attempt has, so that what one leaves is not taken for another's."""
    return f"{_KEPT_PART}{new_id().hex}"


def discard(folder: int, part: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(part, dir_fd=folder)
