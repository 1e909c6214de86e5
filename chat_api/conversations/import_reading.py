"""Reading large JSON bit by bit, so that everybody else's turns go on meanwhile."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Iterator
from typing import Any, Final

from kit.errors import Problem

__all__ = ["Malformed", "lines_of", "members_of"]

_SHORT: Final = 16 * 1024
_LONGEST: Final = 4 * 1024 * 1024
"""Characters of one message at most."""

_A_WHILE: Final = 64 * 1024
_SPACE: Final = re.compile(r"[ \t\r\n]*")


class Malformed(Problem):
    status = 400
    code = "invalid_json"

    def __init__(self) -> None:
        super().__init__("The body is not JSON, or a message of it is larger than 4 MB.")


def _no_number(_: str) -> None:
    raise ValueError("NaN is no JSON")


_DECODER: Final = json.JSONDecoder(parse_constant=_no_number)


def lines_of(text: str) -> Iterator[str]:
    """The lines that say something."""
    at = _skip(text, 0)
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        yield text[at:end]
        at = _skip(text, end)


async def members_of(text: str) -> AsyncGenerator[tuple[str | None, Any]]:
    """The members of a JSON object, the list `messages` empty, and what is in it under no name.

    Raises Malformed.
    """
    at, paused = _after(text, 0, "{"), 0
    while not _is(text, at, "}"):
        name, at = _value(text, at)
        at = _after(text, at, ":")
        if name == "messages" and _is(text, at, "["):
            at = _after(text, at, "[")
            yield "messages", []
            while not _is(text, at, "]"):
                message, at = _value(text, at)
                yield None, message
                at = _next(text, at, "]")
                if at - paused > _A_WHILE:
                    paused = at
                    await asyncio.sleep(0)
            at = _after(text, at, "]")
        else:
            value, at = _value(text, at)
            yield str(name), value
        at = _next(text, at, "}")
        if at - paused > _A_WHILE:
            paused = at
            await asyncio.sleep(0)
    if _after(text, at, "}") != len(text):
        raise Malformed


def _value(text: str, at: int) -> tuple[Any, int]:
    """The value that begins there, and where what follows it begins."""
    for longest in (_SHORT, _LONGEST):
        try:
            value, length = _DECODER.raw_decode(text[at : at + longest])
        except (ValueError, RecursionError):
            continue
        return value, _skip(text, at + length)
    raise Malformed


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _is(text: str, at: int, mark: str) -> bool:
    return text.startswith(mark, at)


def _after(text: str, at: int, mark: str) -> int:
    at = _skip(text, at)
    if not _is(text, at, mark):
        raise Malformed
    return _skip(text, at + 1)


def _next(text: str, at: int, end: str) -> int:
    """Where the next member begins, or where the end is."""
    if _is(text, at, end):
        return at
    at = _after(text, at, ",")
    if _is(text, at, end):
        raise Malformed
    return at
