"""Running the servers, and the suite against one of them."""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from tests.chat_api.processes import free_port, script
from tests.conformance.node import Suite

__all__ = ["Check", "Kind", "run_suite", "server_process"]

Kind: TypeAlias = Literal["fixtures", "product"]
_PATIENCE: Final = 60.0
_FOLDER: Final = re.compile(r"server-(?P<name>.+)-\d{4}-\d\d-\d\dT[\d-]+Z")


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    status: Literal["SUCCESS", "FAILURE", "WARNING", "INFO", "SKIPPED"]
    message: str


@contextmanager
def server_process(kind: Kind, database_url: str) -> Generator[str]:
    """Serve the product, or what has the fixtures too; yield the address of its endpoint."""
    port = free_port()
    commands = {
        "fixtures": [sys.executable, "-m", "tests.conformance.server", "--port", str(port)],
        "product": [script("turnlog-mcp"), "--http", "--no-auth", "--port", str(port)],
    }
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+b") as log:
        environment = {
            **os.environ,
            "DATABASE_URL": database_url,
            "DATA_DIR": folder,
            "SEARCH_BACKEND": "off",
        }
        process = subprocess.Popen(commands[kind], stdout=log, stderr=log, env=environment)
        try:
            if not _answers(process, port):
                sys.exit(f"The server did not start.\n{Path(log.name).read_text()}")
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.kill()
            process.wait(_PATIENCE)


def _answers(process: "subprocess.Popen[bytes]", port: int) -> bool:
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False


def run_suite(suite: Suite, url: str, revision: str) -> dict[str, list[Check]]:
    """Run what `revision` requires, and what the suite runs beside it; return the checks by scenario."""
    with tempfile.TemporaryDirectory() as folder:
        command = suite.command("server", "--url", url, "--requirements", revision, "--output-dir", folder)
        # Its exit code is not asked for: it is 1 for a failure that is expected, too.
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
        found = {_name(path.parent): _checks(path) for path in sorted(Path(folder).glob("*/checks.json"))}
    missing = set(suite.required(revision)) - found.keys()
    if missing:
        print(done.stdout, done.stderr, file=sys.stderr)
        sys.exit(f"The suite has not run {', '.join(sorted(missing))}.")
    return found


def _name(folder: Path) -> str:
    matched = _FOLDER.fullmatch(folder.name)
    if matched is None:
        sys.exit(f"The suite names its results in another way: {folder.name}.")
    return matched["name"]


def _checks(path: Path) -> list[Check]:
    found: list[dict[str, Any]] = json.loads(path.read_text())
    return [Check(one["id"], one["status"], one.get("errorMessage") or "") for one in found]
