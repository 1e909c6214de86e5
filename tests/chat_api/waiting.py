"""Waiting for what has no event of its own here, as that another replica was told."""

import time
from collections.abc import Callable

__all__ = ["once"]

_PAUSE = 0.02


def once(happens: Callable[[], object], seconds: float = 3) -> None:
    """Look until it happens, with pauses: who is asked without one works on nothing else."""
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(_PAUSE)
