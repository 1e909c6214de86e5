"""Our programs in processes forked from one that has imported them: starting one anew takes three seconds."""

import atexit
import importlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib.metadata import entry_points
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any, Final

__all__ = ["Forked", "forked"]

_FORKS: Final = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.preloaded"])
# Every child imports the main module of its parent; this one has nothing.
_NO_MAIN: Final = ModuleType("__main__")
_starting: Final = threading.Lock()


def forked(target: Callable[..., object], *arguments: Any) -> BaseProcess:
    """A process that calls `target`, whatever the main module of this one is."""
    process = _FORKS.Process(target=target, args=arguments)
    with _starting:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = _NO_MAIN
        try:
            process.start()
        finally:
            sys.modules["__main__"] = main
    return process


class Forked:
    """One of our programs under way, with what tests use of `subprocess.Popen`.

    `said` is the file that its stdout goes into, and its stderr too where that has no file of its own.
    """

    def __init__(
        self, command: list[str], environment: dict[str, str], folder: Path, stdin: Path, *said: Path
    ) -> None:
        files = (str(stdin), str(said[0]), str(said[-1]))
        arguments = (command, environment, str(folder), files)
        self._process: Final = forked(_main, *arguments)
        self._asking: Final = threading.Lock()
        self.args: Final = command
        assert self._process.pid is not None
        self.pid: Final = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def poll(self) -> int | None:
        with self._asking:
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        multiprocessing.connection.wait([self._process.sentinel], timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def _main(command: list[str], environment: dict[str, str], folder: str, files: tuple[str, str, str]) -> None:
    """What the shell and the interpreter do before and after a program."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, path in enumerate(files):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND if number else os.O_RDONLY)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False, errors="backslashreplace")  # noqa: SIM115
    sys.argv = command
    try:
        code = _code(Path(command[0]).name)
    finally:
        # What multiprocessing leaves out of a process that it ends.
        threading._shutdown()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _code(name: str) -> int:
    """Run the program of that name; return what it ends with."""
    [script] = entry_points(group="console_scripts", name=name)
    main: Any = getattr(importlib.import_module(script.module), script.attr)
    try:
        # As the script that is installed for it.
        sys.exit(main())
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            return ended.code or 0
        print(ended.code, file=sys.stderr)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    return 1
