"""How much one program may take."""

from typing import Final

__all__ = [
    "MOST_CALLS",
    "MOST_CODE",
    "MOST_DEPTH",
    "MOST_LOOKUPS",
    "MOST_MEMORY",
    "MOST_PRINTED",
    "MOST_SECONDS",
    "MOST_SHOWN",
    "MOST_WAITING",
]

MOST_CODE: Final = 20_000
"""Characters of code."""

MOST_SECONDS: Final = 5
"""Seconds of work, without those of the functions that are called."""

MOST_MEMORY: Final = 32_000_000
"""Bytes. It also bounds what crosses to this process in one piece, and so how long that holds up the rest."""

MOST_DEPTH: Final = 1000
"""Calls within calls."""

MOST_CALLS: Final = 100
"""Calls of functions of this process."""

MOST_LOOKUPS: Final = 1000
"""Everything that has the program wait for this process: calls, and names that it does not know."""

MOST_WAITING: Final = 30
"""Seconds that all its calls take together."""

MOST_PRINTED: Final = 100_000
"""Bytes printed before the program is stopped."""

MOST_SHOWN: Final = 10_000
"""Characters that are shown of what was printed, and of the value."""
