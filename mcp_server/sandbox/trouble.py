"""What went wrong with a program, in words that help to mend it."""

import re
from typing import Final

from pydantic_monty import Frame, MontyError, MontyRuntimeError, MontySyntaxError

from mcp_server.sandbox.limits import MOST_LOOKUPS, MOST_MEMORY, MOST_PRINTED, MOST_SECONDS
from mcp_server.sandbox.values import printable

__all__ = ["ProgramFailed", "explained"]

_AGAIN: Final = "Mend it and send all of the code again."
_BROKEN: Final = "The program broke the sandbox."
_UNSUPPORTED: Final = "The monty syntax parser does not yet support "
_LINE_END: Final = re.compile(r"\r\n?|\n")
_LONGEST_MESSAGE: Final = 500
_LONGEST_LINE: Final = 200
_PRINTED_BEFORE: Final = 1000
_TOO_LONG: Final = f"The program worked for more than {MOST_SECONDS} s and was stopped: let it do less."
_TOO_LARGE: Final = f"It needed more than {MOST_MEMORY // 10**6} MB of memory: work in smaller parts."
_TOO_MUCH: Final = f"It printed more than {MOST_PRINTED} bytes and was stopped: print only what is needed."
_MODULES: Final = (
    "base64, bisect, collections, copy, csv, dataclasses, datetime, decimal, functools, hashlib, itertools, "
    "json, math, random, re, time, typing and unicodedata"
)
_LIMITS: Final = (
    (re.compile(r"TimeoutError: feed time limit exceeded"), _TOO_LONG),
    (re.compile(rf"MemoryError: memory limit exceeded: \d+ bytes > {MOST_PRINTED} bytes"), _TOO_MUCH),
    (re.compile(r"MemoryError: (memory limit|the worker) exceeded"), _TOO_LARGE),
    (
        re.compile(r"RuntimeError: suspension limit"),
        f"It made more than {MOST_LOOKUPS} calls and uses of unknown names: make fewer.",
    ),
)
_INSTEAD: Final = {
    "'del'": "Use pop, or build a new list or dict.",
    "yield": "Build a list and return it.",
    "inheritance": "Use a class without a base, or a dict.",
    "method decorators": "Use plain methods and functions.",
}
_HINTS: Final = (
    (
        re.compile(r"NotImplementedError: external function .* cannot suspend"),
        "Call tools in a for loop or a comprehension, not from map, sorted, a key or __repr__.",
    ),
    (re.compile(r"TypeError: '\w+' object can't be awaited"), "Call tools without await."),
    (re.compile(r"KeyError"), "Print what a tool returned to see its keys."),
    (
        re.compile(r"AttributeError"),
        'A tool returns a dict: write it["key"]. A method can be called but not passed on: use a lambda.',
    ),
    (re.compile(r"ModuleNotFoundError"), f"These can be imported: {_MODULES}."),
)


class ProgramFailed(Exception):
    """Why a program has no result, in plain words."""


def explained(
    error: MontyError, code: str, printed: str, *, its_own: bool = True, before: int = 0
) -> ProgramFailed:
    """`its_own`: whoever is told has written the code, and can mend it. `before`: lines that are ours."""
    words = _words(error, code, its_own=its_own, before=before)
    if printed:
        words += f" Printed before that: {printed[-_PRINTED_BEFORE:].strip()}"
    return ProgramFailed(printable(words))


def _words(error: MontyError, code: str, *, its_own: bool, before: int) -> str:
    if not isinstance(error, MontySyntaxError | MontyRuntimeError):
        # It kills the worker where the worker does not stop by itself.
        if getattr(error, "timed_out", False):
            return _TOO_LONG
        return f"{_BROKEN} {_AGAIN}" if its_own else _BROKEN
    said = error.display("type-msg")
    where = _place(error.traceback(), code, before)
    for pattern, words in _LIMITS:
        if pattern.match(said):
            return f"{words}{where}"
    message = said[:_LONGEST_MESSAGE].rstrip(".")
    if not its_own:
        return f"{message}.{where}"
    if isinstance(error, MontySyntaxError):
        return f"That is not valid Python: {message.removeprefix('SyntaxError: ')}.{where} {_AGAIN}"
    if _UNSUPPORTED in message:
        what = message.partition(_UNSUPPORTED)[2]
        instead = next((words for part, words in _INSTEAD.items() if part in what), "Write it another way.")
        return f"This Python does not have {what}.{where} {instead}"
    hint = next((hint for pattern, hint in _HINTS if pattern.match(said)), _AGAIN)
    return f"{message}.{where} {hint}"


def _place(frames: list[Frame], code: str, before: int) -> str:
    """The innermost line of the code that was sent."""
    lines = _LINE_END.split(code)
    for frame in reversed(frames):
        if frame.filename != "<string>" and before < frame.line <= len(lines):
            line = lines[frame.line - 1].strip()[:_LONGEST_LINE]
            return f" It happened in line {frame.line - before}: `{line}`."
    return ""
