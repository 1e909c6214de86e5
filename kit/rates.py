"""Rates, as settings name them."""

import re
from typing import Final, NamedTuple

__all__ = ["Rate", "is_rate", "parse_rate"]

_UNITS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_RATE: Final = re.compile(r"(\d{1,9})\s*/\s*(?:(\d{1,5})\s*)?(second|minute|hour|day)s?")


class Rate(NamedTuple):
    """So many hits in so many seconds."""

    amount: int
    seconds: int

    def times(self, factor: float) -> "Rate":
        return self._replace(amount=max(1, int(self.amount * factor)))


def parse_rate(words: str) -> Rate:
    """The rate in words such as `60/minute` or `5/10 seconds`. Raises ValueError."""
    found = _RATE.fullmatch(words.strip().lower())
    if found is None or not int(found[1]) or found[2] == "0":
        raise ValueError("write it like 60/minute, 5/10 seconds or 1000/day")
    return Rate(int(found[1]), int(found[2] or 1) * _UNITS[found[3]])


def is_rate(words: str) -> str:
    """The words, where they are a rate. Raises ValueError."""
    parse_rate(words)
    return words
