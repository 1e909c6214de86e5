"""Signals that end a server on stdio as the end of its input does.

The SDK reads stdin on a thread that nothing can interrupt: a server that is told to stop would wait for its
client's next message. So the SDK is given a pipe, and a thread of ours copies stdin into it; a signal closes
the pipe, and the server ends on the one way that it knows, with its tools cancelled and its database closed.
"""

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress
from threading import Thread
from types import FrameType
from typing import Final

__all__ = ["signals_end_input"]

_CHUNK: Final = 65_536


@contextmanager
def signals_end_input() -> Generator[list[int]]:
    """Let SIGINT and SIGTERM end what is read from stdin; yield the list of those that came."""
    came: list[int] = []
    source = os.dup(0)
    reading, writing = os.pipe()
    os.dup2(reading, 0)
    os.close(reading)
    nowhere = os.open(os.devnull, os.O_WRONLY)

    def end(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        # Not close: the copying thread may be about to write to this number.
        os.dup2(nowhere, writing)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    # A daemon: nobody can wait for it while it reads.
    Thread(target=_copy, args=(source, writing, nowhere), daemon=True).start()
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _copy(source: int, writing: int, nowhere: int) -> None:
    # A terminal that went away, or a server that ended meanwhile, is the end too.
    with suppress(OSError):
        while data := os.read(source, _CHUNK):
            while data:
                data = data[os.write(writing, data) :]
    os.dup2(nowhere, writing)
