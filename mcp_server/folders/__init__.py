"""One folder a user, and nothing outside it. POSIX only."""

from mcp_server.folders.changing import Change, Decide, Redo, changing
from mcp_server.folders.paths import NoRoom, NothingThere, Parts, PathRefused, split
from mcp_server.folders.reading import Entry, look, open_folder, read, walk
from mcp_server.folders.writing import WriteMode, delete, write

__all__ = [
    "Change",
    "Decide",
    "Entry",
    "NoRoom",
    "NothingThere",
    "Parts",
    "PathRefused",
    "Redo",
    "WriteMode",
    "changing",
    "delete",
    "look",
    "open_folder",
    "read",
    "split",
    "walk",
    "write",
]
