"""Paths as callers send them, and what can be wrong with one."""

import unicodedata
from typing import Final, TypeAlias

from mcp_server.context import ToolError

__all__ = [
    "MAX_DEPTH",
    "PART",
    "NoRoom",
    "NothingThere",
    "Parts",
    "PathRefused",
    "is_part",
    "split",
    "usable",
]

MAX_DEPTH: Final = 16
PART: Final = ".turnlog.part"
"""How files that are being written are called, at the top of a folder: not the user's."""

_MAX_NAME_BYTES: Final = 255
_UNNAMEABLE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})

Parts: TypeAlias = tuple[str, ...]


class PathRefused(ToolError):
    """The path is malformed, or leads to what is neither a plain file nor a plain folder."""


class NothingThere(ToolError):
    """No file or folder has that path."""


class NoRoom(ToolError):
    """The file, the user's folder or the disk would be too full."""


def split(path: str) -> Parts:
    """The names in `path`, none for the folder itself. Raises PathRefused."""
    names = tuple(name for name in path.split("/") if name not in {"", "."})
    if path.startswith("/") or "\\" in path or not {"..", "~"}.isdisjoint(names):
        raise PathRefused(
            "Send a path inside the user's folder: names with / between them, "
            "without a slash at the start, without .. or ~ and without backslashes."
        )
    if not all(map(usable, names)) or (names and is_part(names[0])):
        raise PathRefused(
            "Choose another path: a name has at most 255 bytes, no control characters, "
            "and no space at its start or end."
        )
    if len(names) > MAX_DEPTH:
        raise PathRefused(f"Choose a shorter path: at most {MAX_DEPTH} names with / between them.")
    return names


def is_part(name: str) -> bool:
    """Whether no file of the user may have this name at the top of the folder."""
    return name.casefold().startswith(PART)


def usable(name: str) -> bool:
    """Whether the tools can speak of a file with this name."""
    if (
        name == "~"
        or "\\" in name
        or name != name.strip()
        or any(unicodedata.category(c) in _UNNAMEABLE for c in name)
    ):
        return False
    return len(name.encode()) <= _MAX_NAME_BYTES
