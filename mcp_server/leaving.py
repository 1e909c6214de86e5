"""What the tools keep of somebody beside the database."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from mcp_server import folders
from mcp_server.folders import Entry

__all__ = ["files_of", "remove_files"]


def files_of(root: Path, user: UUID) -> Sequence[Entry]:
    """The user's files below `root`, as the tools have them."""
    with folders.open_folder(root, user) as folder:
        return [entry for entry in folders.walk(folder) if not entry.is_folder]


def remove_files(root: Path, user: UUID, before: float | None = None) -> None:
    """Remove the user's folder, with all that is in it.

    Where something in it is not from `before`, in seconds since the epoch, all of it stays.
    """
    folder = root / str(user)
    if not folder.exists():
        return
    if before is None or all(path.lstat().st_mtime < before for path in folder.rglob("*")):
        shutil.rmtree(folder)
