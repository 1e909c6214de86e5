"""docker-compose.yml as processes on loopback: its programs, its folders, and its nginx."""

import os
import re
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, TypeAlias

import httpx2
import pytest
import yaml

from tests.forks import Forked
from tests.programs import BIN

__all__ = ["Process", "adapted", "folders_of", "free_ports", "running", "wait_for"]

ROOT: Final = Path(__file__).parents[2]
NOTHING: Final = Path(os.devnull)
PATIENCE: Final = 60.0
Process: TypeAlias = "subprocess.Popen[bytes] | Forked"


def folders_of(service: str, folder: Path) -> dict[str, str]:
    """Where docker-compose.yml has a service keep what it keeps, with each volume a folder below this one."""
    described = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][service]
    mounts = {each.split(":")[1]: f"volumes/{each.split(':')[0]}" for each in described.get("volumes", [])}
    mounts |= {each.split(":")[0]: f"{service}{each.split(':')[0]}" for each in described.get("tmpfs", [])}
    found: dict[str, str] = {}
    for name in ("DATA_DIR", "FILES_ROOT"):
        path = described["environment"][name]
        mount = max((each for each in mounts if f"{path}/".startswith(f"{each}/")), key=len)
        found[name] = f"{folder}/{mounts[mount]}{path.removeprefix(mount)}"
    return found


@contextmanager
def running(command: list[str], log: Path, settings: dict[str, str]) -> Generator[Process]:
    """Run one of our programs, in a process that need not import it, or another."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment |= settings
    with log.open("wb") as words:
        process = (
            Forked(command, environment | {"PYTHONPATH": str(ROOT)}, log.parent, NOTHING, log)
            if Path(command[0]).parent == BIN
            else subprocess.Popen(command, stdout=words, stderr=words, cwd=log.parent, env=environment)
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    print(log.name, log.read_text(), sep="\n")


def adapted(folder: Path, front: int, tools: int, apis: list[int]) -> list[str]:
    """The arguments for nginx to run deploy/nginx.conf as it is, but for its addresses and its folder."""
    text = (ROOT / "deploy/nginx.conf").read_text()
    for pattern, new in (
        (r"listen 8080;", f"listen 127.0.0.1:{front};"),
        (r"server api:8000 resolve (.*)", "\n".join(rf"server 127.0.0.1:{port} \1" for port in apis)),
        (r"server mcp:8001 resolve (.*)", rf"server 127.0.0.1:{tools} \1"),
        (r"/tmp/", f"{folder}/"),
    ):
        text, count = re.subn(pattern, new, text)
        assert count, f"deploy/nginx.conf has no {pattern}"
    path = folder / "nginx.conf"
    path.write_text(text)
    user = " user root;" if os.geteuid() == 0 else ""
    return ["-p", str(folder), "-c", str(path), "-g", f"daemon off;{user}"]


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in listeners]


def wait_for(process: Process, url: str) -> None:
    """Wait until `url` answers 200; between two tries, wait for the process to end, which it should not."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if httpx2.get(url, trust_env=False, timeout=5).status_code == 200:
                return
        except httpx2.HTTPError:
            pass
        assert time.monotonic() < deadline, f"{url} does not answer"
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        pytest.fail(f"{process.args!r} ended with {process.returncode}")
