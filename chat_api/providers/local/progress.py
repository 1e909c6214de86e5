"""What the sources of the file share."""

from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Progress", "Unreachable"]

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all."""


class Unreachable(Exception):
    """A source cannot give the file now; the message says why."""
