"""`turnlog-mcp install` and `uninstall`, as people run them."""

import json
import os
import pty
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from mcp import Client, StdioServerParameters

from mcp_server.install.clients import CLIENTS, Machine
from mcp_server.tools import BUILT_IN
from tests.programs import BIN

_PROGRAM: Final = str(BIN / "turnlog-mcp")
_OTHER: Final = '{\n\t"theme": "dark",\n\t"mcpServers": {\n\t\t"other": {"url": "https://x"}\n\t}\n}\n'


class Home:
    """A person's home folder, with nothing of the real one in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.environment = {"HOME": str(path), "PATH": str(path / "bin")}

    def run(self, *arguments: str, code: int = 0, stdin: int = subprocess.DEVNULL) -> str:
        """Run `turnlog-mcp`; return all that it says."""
        done = subprocess.run(
            [_PROGRAM, *arguments],
            stdin=stdin,
            env=self.environment,
            cwd=self.path,
            text=True,
            timeout=60,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert done.returncode == code, done.stdout
        assert "Traceback" not in done.stdout
        return done.stdout

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    @property
    def files(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.path)): path.read_bytes()
            for path in self.path.rglob("*")
            if path.is_file()
        }


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.mark.parametrize("name", CLIENTS)
def test_each_client_is_told_what_to_start(name: str, home: Home) -> None:
    client = CLIENTS[name]
    said = home.run("install", name, "--yes", "--user", "ann")
    path = client.path(Machine(sys.platform, home.path, home.environment))
    assert str(path) in said
    assert client.again in said
    entry = json.loads(path.read_text())[client.section]["turnlog"]
    assert entry.pop("type", "stdio") == "stdio"
    assert entry == {"command": _PROGRAM, "args": [], "env": {"TURNLOG_USER": "ann"}}


async def test_what_was_written_can_be_started(home: Home, database_url: str) -> None:
    home.run("install", "claude-desktop", "--yes", "--config", "c.json", "--database-url", database_url)
    entry = json.loads((home.path / "c.json").read_text())["mcpServers"]["turnlog"]
    server = StdioServerParameters(
        command=entry["command"], args=entry["args"], env={"HOME": str(home.path), **entry["env"]}, cwd="/"
    )
    async with Client(server) as started:
        listed = await started.list_tools()
    assert {tool.name for tool in listed.tools} == {tool.name for tool in BUILT_IN}


def test_the_rest_of_the_file_stays_and_is_kept_beside_it(home: Home) -> None:
    path = home.write(".cursor/mcp.json", "\ufeff" + _OTHER.replace("\n", "\r\n"))
    before = path.read_bytes()
    path.chmod(0o640)
    home.run("install", "cursor", "-y")
    [backup] = path.parent.glob("mcp.json.backup-*")
    assert backup.read_bytes() == before
    assert {stat.S_IMODE(each.stat().st_mode) for each in (path, backup)} == {0o640}
    changed = json.loads(path.read_bytes().decode("utf-8-sig"))
    assert list(changed["mcpServers"]) == ["other", "turnlog"]
    assert changed["mcpServers"]["turnlog"] == {"type": "stdio", "command": _PROGRAM, "args": []}
    assert path.read_bytes().count(b"\n") == path.read_bytes().count(b"\r\n")
    assert "already" in home.run("install", "cursor")
    home.run("uninstall", "cursor", "-y")
    assert path.read_bytes() == before
    assert len(list(path.parent.iterdir())) == 3
    assert "is not in" in home.run("uninstall", "cursor")


def test_a_program_that_moved_is_found_again_and_what_was_added_stays(home: Home) -> None:
    old: dict[str, Any] = {
        "command": "/gone/turnlog-mcp",
        "args": [],
        "env": {"TIMEZONE": "Asia/Tokyo"},
        "disabled": False,
    }
    path = home.write("c.json", json.dumps({"mcpServers": {"turnlog": old}}))
    home.run("install", "claude-desktop", "-y", "--config", str(path), "--files-root", "notes")
    env = {"TIMEZONE": "Asia/Tokyo", "FILES_ROOT": str(home.path / "notes")}
    expected: dict[str, Any] = {"command": _PROGRAM, "args": [], "env": env, "disabled": False}
    assert json.loads(path.read_text())["mcpServers"]["turnlog"] == expected


def test_a_link_is_followed(home: Home) -> None:
    real = home.write("dotfiles/mcp.json", _OTHER)
    link = home.path / "mcp.json"
    link.symlink_to(real)
    home.run("install", "cursor", "-y", "--config", str(link))
    assert link.is_symlink()
    assert "turnlog" in json.loads(real.read_text())["mcpServers"]


def test_nobody_to_ask_changes_nothing(home: Home) -> None:
    home.write(".claude.json", _OTHER)
    before = home.files
    assert "--yes" in home.run("install", "claude-code", code=2)
    assert json.loads(home.run("install", "vscode", "--print"))["servers"]["turnlog"]["command"] == _PROGRAM
    assert home.files == before


@pytest.mark.parametrize(("answer", "code"), [(b"n\n", 1), (b"y\n", 0)])
def test_it_asks(answer: bytes, code: int, home: Home) -> None:
    keyboard, terminal = pty.openpty()
    try:
        os.write(keyboard, answer)
        said = home.run("install", "cursor", code=code, stdin=terminal)
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert '"mcpServers"' in said
    assert (home.path / ".cursor" / "mcp.json").exists() == (code == 0)


def test_what_another_program_wrote_meanwhile_is_not_overwritten(home: Home) -> None:
    path = home.write(".cursor/mcp.json", _OTHER)
    keyboard, terminal = pty.openpty()
    command = [_PROGRAM, "install", "cursor"]
    with subprocess.Popen(
        command, env=home.environment, stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as asking:
        assert asking.stdout is not None
        assert asking.stderr is not None
        while asking.stdout.read(1) != b"?":
            pass
        path.write_text("{}")
        os.write(keyboard, b"y\n")
        said = asking.stderr.read().decode()
    os.close(keyboard)
    os.close(terminal)
    assert asking.returncode == 2
    assert "another program" in said
    assert home.files == {".cursor/mcp.json": b"{}"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"mcpServers": {', "not valid JSON"),
        (b"[]", "not a JSON object"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"mcpServers": []}', "not an object"),
        (b'{} // "x"', "not valid JSON"),
    ],
)
def test_a_file_that_cannot_be_changed_with_care_is_left_alone(content: bytes, said: str, home: Home) -> None:
    path = home.write("c.json", content)
    told = home.run("install", "claude-desktop", "-y", "--config", str(path), code=2)
    assert said in told
    assert "Nothing was changed" in told
    assert home.files == {"c.json": content}


def test_a_place_that_cannot_be_written_is_told(home: Home) -> None:
    home.write("file", "x")
    assert "cannot be" in home.run("install", "cursor", "-y", "--config", "file/mcp.json", code=2)
    assert "cannot be" in home.run("install", "cursor", "-y", "--config", str(home.path), code=2)
    assert home.files == {"file": b"x"}


def test_a_password_is_not_written_without_a_word(home: Home) -> None:
    url = "postgresql://ann:secret@db/turnlog"
    assert "The password of your database" in home.run("install", "cursor", "-y", "--database-url", url)
    assert "The password of your database" not in home.run("install", "vscode", "-y")


_CLAUDE: Final = """\
#!{python}
import json, pathlib, sys
pathlib.Path({home!r}, "calls").open("a").write(json.dumps(sys.argv[1:]) + "\\n")
sys.exit("no room" if "ben" in str(sys.argv) else 0)
"""


def test_claude_code_is_told_by_its_own_command(home: Home) -> None:
    program = home.write("bin/claude", _CLAUDE.format(python=sys.executable, home=str(home.path)))
    program.chmod(0o755)
    home.run("install", "claude-code", "-y", "--user", "ann")
    old: dict[str, Any] = {
        "mcpServers": {"turnlog": {"type": "stdio", "command": _PROGRAM, "args": [], "env": {}}}
    }
    home.write(".claude.json", json.dumps(old))
    assert "already" in home.run("install", "claude-code", "-y")
    assert "no room" in home.run("install", "claude-code", "-y", "--user", "ben", code=2)
    home.run("uninstall", "claude-code", "-y")
    add = ["mcp", "add", "--scope", "user", "turnlog", "--env"]
    remove = ["mcp", "remove", "--scope", "user", "turnlog"]
    assert [json.loads(line) for line in (home.path / "calls").read_text().splitlines()] == [
        [*add, "TURNLOG_USER=ann", "--", _PROGRAM],
        remove,
        [*add, "TURNLOG_USER=ben", "--", _PROGRAM],
        [*add[:-1], "--", _PROGRAM],
        remove,
    ]
    assert json.loads((home.path / ".claude.json").read_text()) == old


_HOME: Final = Path("/home/ann")


@pytest.mark.parametrize(
    ("name", "platform", "environment", "expected"),
    [
        ("claude-desktop", "darwin", {}, "Library/Application Support/Claude/claude_desktop_config.json"),
        ("claude-desktop", "win32", {}, "AppData/Roaming/Claude/claude_desktop_config.json"),
        ("claude-desktop", "win32", {"APPDATA": "/roam"}, "/roam/Claude/claude_desktop_config.json"),
        ("claude-desktop", "linux", {}, ".config/Claude/claude_desktop_config.json"),
        ("claude-desktop", "linux", {"XDG_CONFIG_HOME": "/x"}, "/x/Claude/claude_desktop_config.json"),
        ("claude-desktop", "linux", {"XDG_CONFIG_HOME": "x"}, ".config/Claude/claude_desktop_config.json"),
        ("vscode", "darwin", {}, "Library/Application Support/Code/User/mcp.json"),
        ("vscode", "win32", {"APPDATA": "/roam"}, "/roam/Code/User/mcp.json"),
        ("vscode", "linux", {}, ".config/Code/User/mcp.json"),
        ("cursor", "darwin", {}, ".cursor/mcp.json"),
        ("cursor", "win32", {"APPDATA": "/roam"}, ".cursor/mcp.json"),
        ("claude-code", "linux", {}, ".claude.json"),
        ("claude-code", "linux", {"CLAUDE_CONFIG_DIR": "/work"}, "/work/.claude.json"),
    ],
)
def test_where_each_client_keeps_its_configuration(
    name: str, platform: str, environment: Mapping[str, str], expected: str
) -> None:
    assert CLIENTS[name].path(Machine(platform, _HOME, environment)) == _HOME / expected


def test_the_folder_of_the_windows_package_comes_first(tmp_path: Path) -> None:
    folder = tmp_path / "Packages" / "Claude_pzs8sxrjxfjjc" / "LocalCache" / "Roaming" / "Claude"
    folder.mkdir(parents=True)
    machine = Machine("win32", _HOME, {"LOCALAPPDATA": str(tmp_path), "APPDATA": "/roam"})
    assert CLIENTS["claude-desktop"].path(machine) == folder / "claude_desktop_config.json"
