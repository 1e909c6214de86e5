"""Running a program, and answering what it asks for."""

import gc
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from uuid import UUID

import anyio
from anyio import from_thread, to_thread
from pydantic_monty import (
    CollectString,
    ExternalResult,
    ExternalSettledResult,
    FunctionSnapshot,
    FutureSnapshot,
    MontyComplete,
    MontyError,
    NameLookupSnapshot,
    SyncSnapshot,
)

from mcp_server.sandbox.functions import CallFailed, Functions
from mcp_server.sandbox.limits import MOST_CALLS, MOST_PRINTED, MOST_SHOWN, MOST_WAITING
from mcp_server.sandbox.slots import THREADS, slot
from mcp_server.sandbox.trouble import ProgramFailed, explained
from mcp_server.sandbox.values import Plain, printable
from mcp_server.sandbox.worker import Worker

__all__ = ["Entry", "Ran", "run"]

_Made = TypeVar("_Made")

_STOPPED: Final = "The program was stopped."
_ARGUMENTS: Final = "__arguments__"
_NO_ACCESS: Final = (
    "There are no files, network, environment or processes here; use the tools, such as read_file(path)"
)


@dataclass(frozen=True, slots=True)
class Ran:
    """`note` says what was cut."""

    output: str
    value: Any
    note: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """What is called once the code has defined it. The arguments cross as data, never as code."""

    function: str
    arguments: dict[str, Any]


async def run(
    code: str, functions: Functions, person: UUID, timezone: str, entry: Entry | None = None
) -> Ran:
    """What the last line is worth, or what `entry` returns. Raises ProgramFailed."""
    program = _Program(code, functions, timezone, entry)
    outcome: Ran | ProgramFailed | None = None
    async with slot(person), anyio.create_task_group() as group:
        group.start_soon(program.end_with_caller)
        outcome = await to_thread.run_sync(program.outcome, limiter=THREADS)
        group.cancel_scope.cancel()
    if isinstance(outcome, Ran):
        return outcome
    raise outcome or ProgramFailed(_STOPPED)


@dataclass(slots=True)
class _Program:
    """All but `end_with_caller` runs in a thread of its own, which waits for the worker or for a function."""

    code: str
    functions: Functions
    timezone: str
    entry: Entry | None
    worker: Worker = field(default_factory=Worker)
    printed: CollectString = field(default_factory=lambda: CollectString(max_bytes=MOST_PRINTED))
    calls: int = 0
    waited: float = 0.0

    async def end_with_caller(self) -> None:
        """Kill the worker when the caller is cancelled: its thread then ends too."""
        try:
            await anyio.sleep_forever()
        finally:
            self.worker.kill()

    def outcome(self) -> Ran | ProgramFailed:
        try:
            return self._run()
        except ProgramFailed as failure:
            return failure
        except CancelledError:
            return ProgramFailed(_STOPPED)
        except MontyError as error:
            return explained(error, self.code, self.printed.output, its_own=self.entry is None)

    def _run(self) -> Ran:
        code, inputs = self.code, None
        if self.entry is not None:
            code += f"\n{self.entry.function}(**{_ARGUMENTS})"
            inputs = {_ARGUMENTS: self.entry.arguments}
        with self.worker.session(self.timezone) as session:
            snapshot = session.feed_start(code, inputs=inputs, print_callback=self.printed)
            while not isinstance(snapshot, MontyComplete):
                snapshot = self._answered(snapshot)
            value = _crossing(lambda: snapshot.output)
        return _shown(self.printed.output, value)

    def _answered(self, snapshot: FunctionSnapshot | NameLookupSnapshot | FutureSnapshot) -> SyncSnapshot:
        match snapshot:
            case NameLookupSnapshot():
                name = snapshot.variable_name
                known = name in self.functions.names
                return snapshot.resume(value=_named(name)) if known else snapshot.resume()
            case FunctionSnapshot(is_os_function=True):
                # An unknown module is told as one.
                if snapshot.function_name == "import":
                    return snapshot.resume_not_handled()
                return snapshot.resume({"exc_type": "PermissionError", "message": _NO_ACCESS})
            case FunctionSnapshot():
                return snapshot.resume(self._result(snapshot))
            case FutureSnapshot():
                never: ExternalSettledResult = {"exc_type": "RuntimeError", "message": "This is never done."}
                return snapshot.resume(dict.fromkeys(snapshot.pending_call_ids, never))

    def _result(self, snapshot: FunctionSnapshot) -> ExternalResult:
        name = snapshot.function_name
        if name not in self.functions.names:
            return {"exc_type": "NameError", "message": f"name '{name}' is not defined"}
        self.calls += 1
        if self.calls > MOST_CALLS:
            raise ProgramFailed(f"The program called tools more than {MOST_CALLS} times: make fewer calls.")
        args, kwargs = _crossing(lambda: (snapshot.args, snapshot.kwargs))
        began = time.monotonic()
        try:
            return {"return_value": from_thread.run(self._call, name, args, kwargs)}
        except CallFailed as failure:
            return {"exc_type": failure.kind, "message": str(failure)}
        finally:
            self.waited += time.monotonic() - began

    async def _call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with suppress(TimeoutError):
            with anyio.fail_after(MOST_WAITING - self.waited):
                return await self.functions.call(name, args, kwargs)
        raise ProgramFailed(
            f"The tools that the program called took more than {MOST_WAITING} s together: make fewer calls."
        )


def _shown(output: str, value: Any) -> Ran:
    plain, cut = Plain(MOST_SHOWN), list[str]()
    made = plain.of(value)
    if len(output) > MOST_SHOWN:
        cut.append(f"output was cut after {MOST_SHOWN} of {len(output)} characters")
    if plain.cut:
        cut.append(f"value was cut to about {MOST_SHOWN} characters")
    note = f"The {' and the '.join(cut)}: print less." if cut else None
    return Ran(printable(output[:MOST_SHOWN]), made, note)


def _crossing(convert: Callable[[], _Made]) -> _Made:
    """What came from the worker.

    Without the collector, which would look at each new object many times while nothing else can run.
    """
    paused = gc.isenabled()
    gc.disable()
    try:
        return convert()
    finally:
        if paused:
            gc.enable()


def _named(name: str) -> Callable[..., None]:
    """What stands for a function of that name where it is not called at once."""

    def function() -> None: ...

    function.__name__ = function.__qualname__ = name
    return function
