"""The MCP clients that are known: where each keeps its configuration, and in which form."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["CLIENTS", "Client", "Machine"]

_WINDOWS: Final = "win32"
_MAC: Final = "darwin"


@dataclass(frozen=True, slots=True)
class Machine:
    """What decides where programs keep their files."""

    platform: str
    home: Path
    environment: Mapping[str, str]

    @classmethod
    def here(cls) -> "Machine":
        return cls(sys.platform, Path.home(), os.environ)

    def folder(self, variable: str, otherwise: Path) -> Path:
        given = self.environment.get(variable, "")
        return Path(given) if given.startswith("/") or (self.platform == _WINDOWS and given) else otherwise

    @property
    def app_data(self) -> Path:
        """Where Electron keeps what programs remember of a user (its `appData`)."""
        if self.platform == _WINDOWS:
            return self.folder("APPDATA", self.home / "AppData" / "Roaming")
        if self.platform == _MAC:
            return self.home / "Library" / "Application Support"
        return self.folder("XDG_CONFIG_HOME", self.home / ".config")


@dataclass(frozen=True, slots=True)
class Client:
    title: str
    path: Callable[[Machine], Path]
    again: str
    """What makes it read its configuration once more."""
    section: str = "mcpServers"
    typed: bool = True
    """Entries say that they are about stdio."""
    comments: bool = False
    """Its file may have comments, and commas after the last member."""

    def snippet(self, name: str, entry: Any) -> dict[str, Any]:
        return {self.section: {name: entry}}


def _claude_desktop(machine: Machine) -> Path:
    """`claude_desktop_config.json` with `mcpServers`.

    https://modelcontextprotocol.io/quickstart/user names the folders of macOS and Windows; builds for Linux
    follow Electron. Since February 2026 the Windows installer makes an MSIX package, which reads a folder of
    its own: https://github.com/anthropics/claude-code/issues/26073
    """
    folder = machine.app_data / "Claude"
    if machine.platform == _WINDOWS:
        packages = machine.folder("LOCALAPPDATA", machine.home / "AppData" / "Local") / "Packages"
        folder = next(iter(sorted(packages.glob("Claude_*/LocalCache/Roaming/Claude"))), folder)
    return folder / "claude_desktop_config.json"


def _cursor(machine: Machine) -> Path:
    """`~/.cursor/mcp.json` with `mcpServers`, on every platform: https://cursor.com/docs/mcp."""
    return machine.home / ".cursor" / "mcp.json"


def _vscode(machine: Machine) -> Path:
    """`mcp.json` with `servers`, in the folder of the default user profile.

    The form: https://code.visualstudio.com/docs/copilot/reference/mcp-configuration
    The folder: https://code.visualstudio.com/docs/getstarted/settings (user settings locations).
    """
    return machine.app_data / "Code" / "User" / "mcp.json"


def _claude_code(machine: Machine) -> Path:
    """`~/.claude.json`; its `mcpServers` are those of the scope `user`.

    https://code.claude.com/docs/en/mcp; with CLAUDE_CONFIG_DIR it is in there:
    https://github.com/anthropics/claude-code/issues/48448
    """
    return machine.folder("CLAUDE_CONFIG_DIR", machine.home) / ".claude.json"


CLIENTS: Final[Mapping[str, Client]] = {
    "claude-desktop": Client(
        "Claude Desktop", _claude_desktop, "Quit Claude Desktop and start it again", typed=False
    ),
    "cursor": Client("Cursor", _cursor, "Restart Cursor", comments=True),
    "vscode": Client("VS Code", _vscode, "Restart VS Code", section="servers", comments=True),
    "claude-code": Client("Claude Code", _claude_code, "Start a new session of Claude Code"),
}
