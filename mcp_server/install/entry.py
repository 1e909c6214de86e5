"""What a client is told: which program to start, and with which settings."""

import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

from kit.errors import SetupError

__all__ = ["NAME", "Wanted", "is_same", "program"]

NAME: Final = "turnlog"
_EMPTY: Final[dict[str, Any]] = {"type": "stdio", "args": [], "env": {}}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the person asked for. Only that goes into `env`: the rest is the server's own default."""

    user: str | None = None
    files_root: Path | None = None
    database_url: str | None = None

    @property
    def env(self) -> dict[str, str]:
        # The server is started in another folder than this one.
        root = self.files_root and str(self.files_root.expanduser().absolute())
        given = {"TURNLOG_USER": self.user, "FILES_ROOT": root, "DATABASE_URL": self.database_url}
        return {name: value for name, value in given.items() if value}

    @property
    def has_secret(self) -> bool:
        return bool(self.database_url and urlsplit(self.database_url).password)

    def entry(self, old: Any, *, typed: bool) -> dict[str, Any]:
        """The entry for a client; what somebody added to an `old` one of ours stays."""
        kept = _members(old) if "command" in _members(old) else {}
        entry: dict[str, Any] = {"type": "stdio"} if typed else {}
        entry |= kept
        entry |= {"command": program(), "args": []}
        env = _members(kept.get("env")) | self.env
        if env:
            entry["env"] = env
        return entry


def is_same(one: Any, other: Any) -> bool:
    """Whether two entries say the same: what may be left out is as good as empty."""
    return _EMPTY | _members(one) == _EMPTY | _members(other)


def _members(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def program() -> str:
    """The absolute path of `turnlog-mcp`: a client does not know the PATH of a shell.

    Links are not followed: those of pipx and uv stay when what they lead to is renewed.
    """
    suffix = ".exe" if sys.platform == "win32" else ""
    beside = Path(sysconfig.get_path("scripts")) / f"turnlog-mcp{suffix}"
    run_as = shutil.which(sys.argv[0])
    if run_as is not None and Path(run_as).stem == "turnlog-mcp":
        return os.path.abspath(run_as)  # noqa: PTH100
    if beside.exists():
        return str(beside)
    raise SetupError("The program turnlog-mcp cannot be found. Install Turnlog into this environment first.")
