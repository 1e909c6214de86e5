"""What is different between two versions of an agent."""

import re
from difflib import unified_diff
from itertools import takewhile
from typing import Any, Final, NamedTuple

from chat_api.agents.service import Draft, same

__all__ = ["LONGEST_DIFF", "Difference", "fields_of", "names_of_differences", "prompt_diff"]

LONGEST_DIFF: Final = 20_000
"""Characters of a unified diff at most."""

_PROMPT: Final = "system_prompt"
# Comparing takes time with the square of what is compared.
_MOST_LINES: Final = 500
_CONTEXT: Final = 3
_HUNK: Final = re.compile(r"^@@ -(\d+)(,\d+|) \+(\d+)(,\d+|) @@$")


class Difference(NamedTuple):
    """A unified diff; `cut` where it is longer than that."""

    text: str
    cut: bool


def fields_of(draft: Draft) -> dict[str, Any]:
    """All that can be different, by name."""
    said = {"name": draft.name, "description": draft.description, "status": draft.status}
    return {**said, "metadata": draft.metadata, **draft.config.model_dump(mode="json")}


def names_of_differences(before: Draft, after: Draft) -> list[str]:
    """The names of the fields that are different."""
    old, new = fields_of(before), fields_of(after)
    return [name for name in old if not same(old[name], new[name])]


def prompt_diff(before: Draft, after: Draft) -> Difference | None:
    """How the prompt was changed, line by line; None where it was not."""
    old, new = before.config.system_prompt, after.config.system_prompt
    if old == new:
        return None
    text = "\n".join(_diff(old.split("\n"), new.split("\n")))
    return Difference(text[:LONGEST_DIFF], len(text) > LONGEST_DIFF)


def _diff(old: list[str], new: list[str]) -> list[str]:
    head = _same(old, new)
    tail = _same(old[head:][::-1], new[head:][::-1])
    gone, come = old[head : len(old) - tail], new[head : len(new) - tail]
    if max(len(gone), len(come)) > _MOST_LINES:
        header = f"@@ -{head + 1},{len(gone)} +{head + 1},{len(come)} @@"
        return ["--- ", "+++ ", header, *(f"-{line}" for line in gone), *(f"+{line}" for line in come)]
    start, end = max(0, head - _CONTEXT), max(0, tail - _CONTEXT)
    lines = unified_diff(old[start : len(old) - end], new[start : len(new) - end], lineterm="", n=_CONTEXT)
    return [_HUNK.sub(lambda found: _moved(found, start), line) for line in lines]


def _moved(hunk: re.Match[str], by: int) -> str:
    """The header of a hunk in the whole text, of which the first lines were not compared."""
    return f"@@ -{int(hunk[1]) + by}{hunk[2]} +{int(hunk[3]) + by}{hunk[4]} @@"


def _same(one: list[str], other: list[str]) -> int:
    """How many lines are the same from the start on."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
