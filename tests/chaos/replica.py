"""Runs the API (`api`) or the tool server (`tools PORT`) with what hurts it.

CHAOS_KILL: `before` or `after`: the process kills itself around a statement that writes.
CHAOS_WHERE: only statements that have this text in them or in their parameters.
CHAOS_NTH: which of those.
CHAOS_DWELL: what to choose pauses by at random, between two steps that follow each other at once else.
CHAOS_BREAK: safeguards that are switched off, to see that the verdict misses them: `fence`, `key`, `resume`.
"""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

from sqlalchemy import Engine, event

from chat_api.commands.serve import serve
from chat_api.runs import worker
from chat_api.runs.hub import Hub
from chat_api.runs.journal import Journal
from chat_api.runs.log import Log
from chat_api.runs.worker import Worker
from chat_api.tools.bridge import ToolBridge, ToolUser
from mcp_server import cli

__all__ = ["PAUSES", "run"]

_WRITES = re.compile(r"\b(INSERT|UPDATE|DELETE)\b")
PAUSES = (0, 0, 0.05, 0.8)
_FENCES = {"AND batch.attempt = runs.attempt": "", "AND attempt = %(attempt)s": "AND %(attempt)s::int > 0"}


def kill_at(when: str, nth: int, where: str) -> None:
    left = nth

    def pass_by(statement: str, parameters: Any) -> None:
        nonlocal left
        if _WRITES.search(statement) and (not where or where in statement + _shown(parameters)):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(_: Any, __: Any, statement: str, parameters: Any, ___: Any, ____: Any) -> None:
        pass_by(statement, parameters)

    def commit(_: Any) -> None:
        pass_by("" if where else "UPDATE", {})

    event.listen(Engine, f"{when}_cursor_execute", around)
    if when == "before":
        event.listen(Engine, "commit", commit)


def _shown(parameters: Any) -> str:
    values = parameters.values() if isinstance(parameters, dict) else parameters or ()  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return " ".join(repr(getattr(value, "obj", value)) for value in values)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def drop_fence() -> None:
    """Let a late process write on, and not notice by its heartbeat that it is late."""

    def unfenced(_: Any, __: Any, statement: str, parameters: Any, ___: Any, ____: Any) -> tuple[str, Any]:
        for fence, gap in _FENCES.items():
            statement = statement.replace(fence, gap)
        return statement, parameters

    async def blind(self: Worker) -> None:
        pass

    event.listen(Engine, "before_cursor_execute", unfenced, retval=True)
    Worker._renew = blind  # pyright: ignore[reportPrivateUsage]


def drop_key() -> None:
    """Send another key with each call, so that none is recognised."""
    keyed: Callable[..., Awaitable[dict[str, Any]]] = ToolBridge._call  # pyright: ignore[reportPrivateUsage]

    async def unkeyed(
        self: ToolBridge, name: str, arguments: dict[str, Any], user: ToolUser, key: str
    ) -> dict[str, Any]:
        return await keyed(self, name, arguments, user, uuid4().hex)

    ToolBridge._call = unkeyed  # pyright: ignore[reportPrivateUsage]


def drop_resume() -> None:
    """Begin each attempt as if there had been none before it."""

    def forget(*_: Any, **__: Any) -> None:
        pass

    Journal.resume = forget


def dwell(random: Random) -> None:
    """Widen the moments in which something else may come between."""

    def paused(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def slow(*arguments: Any, **named: Any) -> Any:
            found = await function(*arguments, **named)
            await asyncio.sleep(random.choice(PAUSES))
            return found

        return slow

    for place, name in ((Hub, "take_over"), (worker, "claim"), (worker, "conclude"), (Log, "flush")):
        setattr(place, name, paused(getattr(place, name)))


def run(arguments: list[str], given: dict[str, str], log: Path) -> None:
    """Be the process that was asked for: this one has been forked to become it."""
    os.environ.clear()
    os.environ.update(given)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(written, 1)
    os.dup2(written, 2)
    broken = given.get("CHAOS_BREAK", "").split(",")
    if "fence" in broken:
        drop_fence()
    if "key" in broken:
        drop_key()
    if "resume" in broken:
        drop_resume()
    if "CHAOS_DWELL" in given:
        dwell(Random(given["CHAOS_DWELL"]))
    if "CHAOS_KILL" in given:
        kill_at(given["CHAOS_KILL"], int(given.get("CHAOS_NTH", "1")), given.get("CHAOS_WHERE", ""))
    if arguments[0] == "tools":
        sys.argv[1:] = ["--http", "--port", arguments[1]]
        cli.main()
    else:
        serve()
