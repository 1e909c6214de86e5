"""Regular expressions in other servers' schemas: models' servers refuse what is none."""

import re
import warnings
from collections.abc import Iterable
from typing import Final

__all__ = ["are_patterns"]

_MOST: Final = 2_000
_PIECE: Final = re.compile(
    r"\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})|\\N\{[^}]*\}|\\.|[^\0-\xff]|\(\?[aimsux-]+([:)])", re.DOTALL
)
_LAST: Final = "\xff"


def are_patterns(patterns: Iterable[str]) -> bool:
    """Whether all of them are regular expressions, and together short."""
    left = _MOST
    for pattern in patterns:
        left -= len(pattern)
        if left < 0 or not _is_one(pattern):
            return False
    return True


def _is_one(pattern: str) -> bool:
    with warnings.catch_warnings():
        # Of what other versions of Python may take to be something else.
        warnings.simplefilter("ignore")
        try:
            re.compile(_PIECE.sub(_narrow, pattern))
        except (re.error, OverflowError, RecursionError):
            return False
    return True


def _narrow(found: re.Match[str]) -> str:
    """The same of the first 256 characters, and without flags: what else there is takes long to compile."""
    short, long, flagged = found.groups()
    if flagged:
        return "(?:" if flagged == ":" else "(?:)"
    code = short or long
    far = int(code, 16) > ord(_LAST) if code else found[0] > _LAST or found[0].startswith(r"\N{")
    return _LAST if far else found[0]
