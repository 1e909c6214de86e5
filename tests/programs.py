"""The installed programs, run as people run them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2

__all__ = ["BIN", "Running", "free_port", "run", "running", "started"]

BIN: Final = Path(sys.executable).parent
_PATIENCE: Final = 60
_NOWHERE: Final = "http://127.0.0.1:9"


def _environment(settings: dict[str, Any]) -> dict[str, str]:
    """This environment with `settings` by their names in capitals; nothing in a home folder is read."""
    given = {name.upper(): str(value) for name, value in settings.items()}
    return {**os.environ, "OLLAMA_ENDPOINT": _NOWHERE, "LMSTUDIO_ENDPOINT": _NOWHERE, **given}


def run(*arguments: str, stdin: str = "", **settings: Any) -> subprocess.CompletedProcess[str]:
    """Run a program of ours to its end."""
    program, *rest = arguments
    return subprocess.run(
        [BIN / program, *rest],
        input=stdin,
        env=_environment(settings),
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )


@dataclass(slots=True)
class Running:
    process: subprocess.Popen[str]

    def stop(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Send a signal and wait for the end; return the exit code and what was said on stderr."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=_PATIENCE)
        return self.process.returncode, said


@contextmanager
def running(url: str, *arguments: str, **settings: Any) -> Generator[Running]:
    """Run a program of ours that serves; wait until `url` answers anything at all."""
    with started(*arguments, **settings) as program:
        _wait_for(url, program.process)
        yield program


@contextmanager
def started(*arguments: str, **settings: Any) -> Generator[Running]:
    """Run a program of ours in the background; kill it at the end."""
    program, *rest = arguments
    process = subprocess.Popen(
        [BIN / program, *rest],
        env=_environment(settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Running(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _wait_for(url: str, process: subprocess.Popen[str]) -> None:
    """A port has no event to wait for: knock until somebody opens."""
    deadline = time.monotonic() + _PATIENCE
    with httpx2.Client(timeout=5, trust_env=False) as http:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise AssertionError(f"it ended at once: {process.communicate()[1]}")
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
