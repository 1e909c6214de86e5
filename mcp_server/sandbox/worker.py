"""The process that a program runs in."""

import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from pydantic_monty import Monty, MontySession

from mcp_server.sandbox.limits import MOST_DEPTH, MOST_LOOKUPS, MOST_MEMORY, MOST_SECONDS

__all__ = ["Worker", "confine"]

_GRACE: Final = 1.0
_LONGEST_TURN: Final = MOST_SECONDS + 3.0
_END: Final = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL
_NICE: Final = 10
# Should the interpreter have a hole, little is behind it: no file, socket or process can be opened.
_CONFINES: Final = {
    "RLIMIT_CPU": 2 * MOST_SECONDS,
    "RLIMIT_AS": 16 * MOST_MEMORY,
    "RLIMIT_NOFILE": 0,
    "RLIMIT_NPROC": 0,
    "RLIMIT_FSIZE": 0,
    "RLIMIT_CORE": 0,
}


@dataclass(slots=True)
class Worker:
    """One process for one program. `session` is for one thread, `kill` for any."""

    _lock: Lock = field(default_factory=Lock)
    _pid: int | None = None
    _killed: bool = False

    @contextmanager
    def session(self, timezone: str) -> Generator[MontySession]:
        # A pool of one: a process is 3 ms away, and nothing of one user's program is there for the next.
        with (
            Monty(
                min_processes=1,
                max_processes=1,
                request_timeout=_LONGEST_TURN,
                feed_duration_limit_grace=_GRACE,
            ) as pool,
            pool.checkout(
                limits={
                    "max_feed_duration_secs": MOST_SECONDS,
                    "max_memory": MOST_MEMORY,
                    "max_recursion_depth": MOST_DEPTH,
                    "max_suspensions": MOST_LOOKUPS,
                },
                os_policy={"datetime": "system", "timezone": _plain_name(timezone), "sleep": "zero"},
            ) as session,
        ):
            self._begin(session.worker_pid)
            try:
                yield session
            finally:
                with self._lock:
                    self._pid = None

    def _begin(self, pid: int | None) -> None:
        with self._lock:
            self._pid = pid
            if pid is not None:
                confine(pid)
            if self._killed:
                self._kill()

    def kill(self) -> None:
        """End the process, now or when it comes to be."""
        with self._lock:
            self._killed = True
            self._kill()

    def _kill(self) -> None:
        if self._pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, _END)


def _plain_name(timezone: str) -> str:
    """The interpreter's own list has no variants."""
    return timezone.removeprefix("posix/").removeprefix("right/")


def confine(pid: int) -> None:
    """Only Linux can do it to another process."""
    if sys.platform != "linux":
        return
    import resource  # noqa: PLC0415 -- elsewhere there is none

    # It may have ended; and some containers do not let go of a process's limits.
    with suppress(ProcessLookupError, PermissionError):
        for name, most in _CONFINES.items():
            limit = getattr(resource, name)
            _, hard = resource.prlimit(pid, limit)
            lower = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.prlimit(pid, limit, (lower, lower))
        os.setpriority(os.PRIO_PROCESS, pid, max(_NICE, os.getpriority(os.PRIO_PROCESS, pid)))
