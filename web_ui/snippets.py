"""What other programs are told, so that they reach the tools and the chat; as text to be copied."""

import json
import shlex
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

__all__ = ["CLIENTS", "NO_KEY", "chat", "claude_code", "claude_desktop", "install", "started", "with_address"]

NO_KEY: Final = "YOUR_KEY"
"""Stands where a key has to."""

CLIENTS: Final[Mapping[str, str]] = {
    "claude-desktop": "Claude Desktop",
    "claude-code": "Claude Code",
    "vscode": "VS Code",
    "cursor": "Cursor",
}
_LOCAL: Final = "local"


def install(client: str, user: str) -> str:
    """The command that writes the configuration of `client`, for it to start the tool server of `user`."""
    whose = [] if user == _LOCAL else ["--user", user]
    return shlex.join(["turnlog-mcp", "install", client, *whose])


def started(user: str) -> str:
    """What that command writes for Claude Desktop, but for the path of the program."""
    entry: dict[str, Any] = {"command": "/path/to/turnlog-mcp", "args": []}
    return _json("mcpServers", entry | ({} if user == _LOCAL else {"env": {"TURNLOG_USER": user}}))


def with_address(url: str, key: str, section: str = "mcpServers") -> str:
    """For clients that speak HTTP themselves."""
    headers = {"Authorization": f"Bearer {key}"}
    return _json(section, {"type": "http", "url": url, "headers": headers})


def claude_desktop(url: str, key: str) -> str:
    """With a program between them, as it only starts programs; on Windows, of arguments without blanks."""
    arguments = ["-y", "mcp-remote", url, "--header", "Authorization:${AUTHORIZATION}"]
    plain = ["--allow-http"] if url.startswith("http://") else []
    entry = {"command": "npx", "args": [*arguments, *plain], "env": {"AUTHORIZATION": f"Bearer {key}"}}
    return _json("mcpServers", entry)


def claude_code(url: str, key: str) -> str:
    header = f"Authorization: Bearer {key}"
    adding = ["claude", "mcp", "add", "--transport", "http", "--scope", "user", "turnlog", url]
    return f'{shlex.join(adding)} --header "{header}"'


def chat(base: str, user: str, key: str, message: str) -> str:
    """A turn, by curl."""
    address = shlex.quote(f"{base}/api/{quote(user, safe='')}/chat")
    body = shlex.quote(json.dumps({"message": message}, ensure_ascii=False))
    return (
        f'curl -s {address} \\\n  -H "Authorization: Bearer {key}" \\\n'
        f'  -H "Content-Type: application/json" \\\n  -d {body}'
    )


def _json(section: str, entry: Mapping[str, Any]) -> str:
    return json.dumps({section: {"turnlog": entry}}, indent=2, ensure_ascii=False)
