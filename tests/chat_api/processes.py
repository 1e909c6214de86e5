"""Our own commands as processes."""

import os
import socket
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeAlias

import httpx2

from tests.forks import Forked
from tests.servers import SECRET

__all__ = ["Process", "free_port", "replica_process", "script", "tool_server_process"]

Process: TypeAlias = Forked

_PATIENCE = 60.0
_READY = "/api/v1/health/ready"
_METADATA = "/.well-known/oauth-protected-resource/mcp"


@contextmanager
def replica_process(database_url: str, model_url: str, **settings: str) -> Generator[tuple[str, Process]]:
    """`turnlog serve`: its address and its process."""
    port = free_port()
    own = {"API_PORT": str(port), "DEFAULT_PROVIDER": "openai", "OPENAI_BASE_URL": model_url} | settings
    with _running([script("turnlog"), "serve"], port, _READY, database_url, own) as process:
        yield f"http://127.0.0.1:{port}", process


@contextmanager
def tool_server_process(
    database_url: str, port: int | None = None, **settings: str
) -> Generator[tuple[str, Process]]:
    """`turnlog-mcp --http`: the address of its endpoint and its process."""
    port = port or free_port()
    command = [script("turnlog-mcp"), "--http", "--port", str(port)]
    with _running(command, port, _METADATA, database_url, settings) as process:
        yield f"http://127.0.0.1:{port}/mcp", process


def script(name: str) -> str:
    """The command of the environment that runs this test."""
    return str(Path(sys.executable).with_name(name))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextmanager
def _running(
    command: list[str], port: int, ready: str, database_url: str, settings: dict[str, str]
) -> Generator[Process]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "log").touch()
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        common = {
            "DATABASE_URL": database_url,
            "DATA_DIR": str(folder),
            "JWT_SECRET_KEY": SECRET,
            "SEARCH_BACKEND": "off",
            "TITLES_BY_MODEL": "false",
            "TIMEZONE": "Europe/Berlin",
        }
        environment = inherited | common | settings
        process = Forked(command, environment, folder, Path(os.devnull), folder / "log")
        stack.callback(lambda: print((folder / "log").read_text()))
        stack.callback(process.wait, _PATIENCE)
        stack.callback(process.kill)
        _wait(process, f"http://127.0.0.1:{port}{ready}")
        yield process


def _wait(process: Process, url: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    with httpx2.Client(trust_env=False, transport=httpx2.HTTPTransport(retries=3)) as http:
        while True:
            assert process.poll() is None, "the process ended at its start"
            assert time.monotonic() < deadline, f"{url} does not answer"
            try:
                if http.get(url).status_code == 200:
                    return
            except httpx2.TransportError:
                # Nobody listens yet; `retries` has waited in between.
                continue
