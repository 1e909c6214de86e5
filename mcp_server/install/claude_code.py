"""Claude Code's own command, which writes its configuration while sessions of it run.

`claude mcp add` and `claude mcp remove`, with the scope `user`: https://code.claude.com/docs/en/mcp.
"""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, Final

from kit.errors import SetupError

__all__ = ["ClaudeCodeError", "adding", "find", "removing", "run"]

_SECONDS: Final = 60
_SCOPE: Final = ("--scope", "user")


class ClaudeCodeError(SetupError):
    """`claude` did not do what it was asked to."""


def find() -> str | None:
    return shutil.which("claude")


def adding(name: str, entry: Mapping[str, Any]) -> list[str]:
    variables = [part for key, value in entry.get("env", {}).items() for part in ("--env", f"{key}={value}")]
    # `--env` takes all words up to `--`, so the name comes first:
    # https://github.com/anthropics/claude-code/issues/25490
    return ["mcp", "add", *_SCOPE, name, *variables, "--", entry["command"], *entry.get("args", [])]


def removing(name: str) -> list[str]:
    return ["mcp", "remove", *_SCOPE, name]


def run(claude: str, arguments: Sequence[str]) -> None:
    try:
        done = subprocess.run(  # noqa: S603
            [claude, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ClaudeCodeError(
            "claude did not run to its end. Try again, or name a file with --config."
        ) from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise ClaudeCodeError(f"claude ended with {done.returncode}. It said:\n{said}")
