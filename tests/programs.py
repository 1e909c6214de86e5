"""Our programs, run as people run them, but for where their imports come from."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2

from tests.forks import Forked

__all__ = ["BIN", "Running", "free_port", "run", "run_installed", "running", "started"]

BIN: Final = Path(sys.executable).parent
_ROOT: Final = Path(__file__).parents[1]
_PATIENCE: Final = 60
_NOWHERE: Final = "http://127.0.0.1:9"


def _environment(settings: dict[str, Any]) -> dict[str, str]:
    """This environment with `settings` by their names in capitals; nothing in a home folder is read."""
    given = {name.upper(): str(value) for name, value in settings.items()}
    return {**os.environ, "OLLAMA_ENDPOINT": _NOWHERE, "LMSTUDIO_ENDPOINT": _NOWHERE, **given}


def run(*arguments: str, stdin: str = "", **settings: Any) -> subprocess.CompletedProcess[str]:
    """Run a program of ours to its end."""
    with started(*arguments, stdin=stdin, **settings) as program:
        code = program.process.wait(_PATIENCE)
        return subprocess.CompletedProcess(arguments, code, *program.said())


def run_installed(*arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    """The same by the script that was installed, with imports of its own."""
    program, *rest = arguments
    return subprocess.run(
        [BIN / program, *rest],
        env=_environment(settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )


@dataclass(slots=True)
class Running:
    process: Forked
    folder: Path

    def stop(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Send a signal and wait for the end; return the exit code and what was said on stderr."""
        self.process.send_signal(number)
        return self.process.wait(_PATIENCE), self.said()[1]

    def said(self) -> tuple[str, str]:
        """What was said on stdout and on stderr until now."""
        return (self.folder / "out").read_text(), (self.folder / "err").read_text()


@contextmanager
def running(url: str, *arguments: str, **settings: Any) -> Generator[Running]:
    """Run a program of ours that serves; wait until `url` answers anything at all."""
    with started(*arguments, **settings) as program:
        _wait_for(url, program)
        yield program


@contextmanager
def started(*arguments: str, stdin: str = "", **settings: Any) -> Generator[Running]:
    """Run a program of ours in the background; kill it at the end."""
    program, *rest = arguments
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in ("in", "out", "err"):
            (folder / path).write_text(stdin if path == "in" else "")
        command = [str(BIN / program), *rest]
        files = (folder / path for path in ("in", "out", "err"))
        # Its own children import from here, too.
        environment = _environment(settings) | {"PYTHONPATH": str(_ROOT)}
        process = Forked(command, environment, Path.cwd(), *files)
        try:
            yield Running(process, folder)
        finally:
            process.kill()
            process.wait(_PATIENCE)


def _wait_for(url: str, program: Running) -> None:
    """A port has no event to wait for: knock until somebody opens."""
    deadline = time.monotonic() + _PATIENCE
    with httpx2.Client(timeout=5, trust_env=False) as http:
        while time.monotonic() < deadline:
            if program.process.poll() is not None:
                raise AssertionError(f"it ended at once: {program.said()[1]}")
            try:
                http.get(url)
            except httpx2.TransportError:
                time.sleep(0.05)
            else:
                return
    raise AssertionError(f"nothing answers at {url}")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
