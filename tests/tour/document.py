"""The transcripts of a document: blocks of `console tour`, with commands and the answers expected."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["Section", "Step", "sections_of"]

_FENCE: Final = "```"
_OPENING: Final = "```console tour"
_PROMPT: Final = "$ "
_HEADING: Final = re.compile(r"#+ (.+)")


@dataclass(frozen=True, slots=True)
class Step:
    """A command, the line on which it begins, and what it is to answer."""

    line: int
    command: str
    expected: str


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    steps: tuple[Step, ...]


def sections_of(document: str) -> list[Section]:
    """What there is to run below each heading, in the order of the document."""
    found: dict[str, list[Step]] = {}
    for title, first, lines in _blocks(document):
        found.setdefault(title, []).extend(_steps(first, lines))
    return [Section(title, tuple(steps)) for title, steps in found.items()]


def _blocks(document: str) -> Iterator[tuple[str, int, list[str]]]:
    """Heading, number of the first line, and lines of each block that is to be run."""
    title, fence, lines = "", "", list[str]()
    for number, line in enumerate(document.splitlines(), 1):
        if fence and line.strip() == _FENCE:
            if fence == _OPENING:
                yield title, number - len(lines), lines
            fence, lines = "", []
        elif fence:
            lines.append(line)
        elif line.startswith(_FENCE):
            fence = line.strip()
        elif heading := _HEADING.fullmatch(line):
            title = heading[1]


def _steps(first: int, lines: list[str]) -> Iterator[Step]:
    rest = list(enumerate(lines, first))
    while rest:
        number, line = rest.pop(0)
        assert line.startswith(_PROMPT), f"line {number} of the document is to begin with '{_PROMPT}'"
        command = line.removeprefix(_PROMPT)
        while rest and _goes_on(command):
            command += f"\n{rest.pop(0)[1]}"
        expected: list[str] = []
        while rest and not rest[0][1].startswith(_PROMPT):
            expected.append(rest.pop(0)[1])
        yield Step(number, command, "\n".join(expected).strip())


def _goes_on(command: str) -> bool:
    """Whether a backslash, or a quotation that is not closed, carries it to the next line."""
    if command.endswith("\\"):
        return True
    try:
        shlex.split(command)
    except ValueError:
        return True
    return False
