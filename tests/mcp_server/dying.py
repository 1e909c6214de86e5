"""A tool server in a process that kills itself at one of the steps of a call."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from itertools import count
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import anyio
import anyio.to_thread
from mcp import Client
from sqlalchemy import Engine, Pool, event

from kit.postgres import open_db
from mcp_server.context import Deps, SearchConfig
from mcp_server.effects import IDEMPOTENCY_KEY
from mcp_server.server import create_server
from tests.forks import forked

__all__ = ["Dying", "meta"]

_FILE_STEPS: Final = ("fsync", "mkdir", "rename", "rmdir", "unlink")
_PATIENCE: Final = 60


def meta(key: Any) -> Any:
    """The `_meta` of a call with that key, None for one without."""
    return None if key is None else {IDEMPOTENCY_KEY: key}


@dataclass(frozen=True, slots=True)
class Dying:
    """Where the data is: the database, and the folder of all users' files."""

    database_url: str
    files_root: Path

    async def call(self, step: int, name: str, arguments: dict[str, Any], key: str | None) -> bool:
        """Call a tool as alice in a process that dies at `step`; return whether the call had so many."""
        process = forked(_call, self, step, name, arguments, key)
        await anyio.to_thread.run_sync(process.join, _PATIENCE)
        assert process.exitcode in {0, -signal.SIGKILL}
        return process.exitcode != 0


def _call(data: Dying, step: int, name: str, arguments: dict[str, Any], key: str | None) -> None:
    anyio.run(_call_tool, data, step, name, arguments, key)


async def _call_tool(data: Dying, step: int, name: str, arguments: dict[str, Any], key: str | None) -> None:
    async with open_db(data.database_url) as db:
        deps = Deps(db, data.files_root, SearchConfig("off"), ZoneInfo("UTC"), "alice")
        async with Client(create_server(deps)) as client:
            _die_at(step)
            await client.call_tool(name, arguments, meta=meta(key))
            os._exit(0)  # what comes after the answer is no step of the call


def _die_at(step: int) -> None:
    """Kill this process at that step from now on: before or after a statement or a change of a folder."""
    steps = count(1)

    def take(*_: object) -> None:
        if next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
        event.listen(Engine, name, take)
    event.listen(Pool, "checkin", take)
    for name in _FILE_STEPS:
        setattr(os, name, _between(take, getattr(os, name)))


def _between(take: Callable[[], None], function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def taken(*arguments: Any, **options: Any) -> Any:
        take()
        result = function(*arguments, **options)
        take()
        return result

    return taken
