"""Exchanges two names, atomically and over and over, until it is ended: `python swapping.py ONE OTHER`."""

import ctypes
import os
import sys
from pathlib import Path
from typing import Final

__all__ = ["exchange"]

_HERE: Final = -100  # AT_FDCWD
_EXCHANGE: Final = 2  # RENAME_EXCHANGE, renameat2(2)


def exchange(one: bytes, other: bytes) -> None:
    if ctypes.CDLL(None, use_errno=True).renameat2(_HERE, one, _HERE, other, _EXCHANGE):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    names = [os.fsencode(Path(name)) for name in sys.argv[1:]]
    exchange(names[0], names[1])
    print("swapping", flush=True)
    while True:
        exchange(names[0], names[1])
