"""`turnlog-mcp` on stdio: how it ends, and that nothing but protocol comes out of it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import pytest

from tests.programs import BIN

_PATIENCE: Final = 60
_PROGRAM: Final = str(BIN / "turnlog-mcp")
_INFO: Final = {"name": "test", "version": "1"}
_HELLO: Final = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": _INFO}

_NOISY: Final = """
import os, sys, warnings
import mcp_server.context as context

zone = context.zone

def noisy(ctx):
    print("noise")
    warnings.warn("noise")
    os.write(1, b"noise\\n")
    os.system("echo noise")
    return zone(ctx)

context.zone = noisy
from mcp_server.cli import main
main()
"""


@pytest.fixture
def environment(database_url: str, tmp_path: Path) -> dict[str, str]:
    """What a desktop program gives to a server, and no more."""
    return {"HOME": str(tmp_path), "DATABASE_URL": database_url}


@contextmanager
def _started(*command: str, environment: dict[str, str]) -> Generator[subprocess.Popen[str]]:
    """A server that has said hello, from another folder, in a process group of its own."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd="/",
        text=True,
        start_new_session=True,
    )
    try:
        _send(process, {"id": 1, "method": "initialize", "params": _HELLO})
        _send(process, {"method": "notifications/initialized"})
        assert "result" in json.loads(_pipe(process.stdout).readline())
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _send(process: subprocess.Popen[str], message: dict[str, Any]) -> None:
    pipe = _pipe(process.stdin)
    pipe.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    pipe.flush()


def _end_input(process: subprocess.Popen[str]) -> None:
    _pipe(process.stdin).close()
    process.stdin = None  # or `communicate` would flush it


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def _call(process: subprocess.Popen[str], name: str, **arguments: Any) -> None:
    params = {"name": name, "arguments": arguments}
    _send(process, {"id": 2, "method": "tools/call", "params": params})


@pytest.mark.parametrize("how", ["end of input", signal.SIGINT, signal.SIGTERM])
def test_it_ends_while_a_tool_runs(how: Any, environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(_PATIENCE)
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        with _started(_PROGRAM, environment={**environment, "FETCH_ALLOW_HOSTS": host}) as process:
            # The code runs in a process of its own, which must not be left behind.
            _call(process, "run_python", code=f"fetch_page(url='http://{host}/')")
            connection, _ = silent.accept()
            with connection:
                if isinstance(how, signal.Signals):
                    # Its input stays open, as a client's is that sends the signal.
                    process.send_signal(how)
                else:
                    _end_input(process)
                assert process.wait(_PATIENCE) == (128 + how if isinstance(how, int) else 0)
            assert _pipe(process.stderr).read() == ""
            with pytest.raises(ProcessLookupError):
                os.killpg(process.pid, 0)


def test_a_tool_that_prints_does_not_break_the_protocol(environment: dict[str, str]) -> None:
    with _started(sys.executable, "-c", _NOISY, environment=environment) as process:
        _call(process, "current_time")
        answer = json.loads(_pipe(process.stdout).readline())
        out, said = process.communicate(timeout=_PATIENCE)
    assert answer["id"] == 2
    assert not answer["result"]["isError"]
    assert out == ""
    assert said.count("noise") >= 4


def test_a_database_that_is_away_is_told_on_stderr(environment: dict[str, str]) -> None:
    environment = {**environment, "DATABASE_URL": "postgresql://u:secret@127.0.0.1:9/none"}
    done = subprocess.run(
        [_PROGRAM], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be reached" in done.stderr
    assert "secret" not in done.stderr


def test_it_needs_nothing_but_a_home(tmp_path: Path) -> None:
    with _started(_PROGRAM, environment={"HOME": str(tmp_path)}) as process:
        _call(process, "add_todo", title="Buy milk")
        answer = json.loads(_pipe(process.stdout).readline())
        _end_input(process)
        assert process.wait(_PATIENCE) == 0
    assert answer["result"]["structuredContent"]["title"] == "Buy milk"


def test_a_start_that_is_broken_off_leaves_no_database_behind(tmp_path: Path) -> None:
    environment = {**os.environ, "DATA_DIR": str(tmp_path), "DATABASE_URL": ""}
    command = [str(BIN / "turnlog-mcp")]
    # The first start makes the database, which takes its time; the second only starts it.
    subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=True, timeout=120)
    pid_file = tmp_path / "postgres/postmaster.pid"
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE) as process:
        while not (pid_file.exists() and (lines := pid_file.read_text().split())):
            assert process.poll() is None
        postmaster = int(lines[0])
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    deadline = time.monotonic() + 20
    while Path(f"/proc/{postmaster}").exists():
        assert time.monotonic() < deadline, "it is still there"
        time.sleep(0.05)
