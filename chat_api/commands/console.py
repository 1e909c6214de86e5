"""The terminal: people's words on stderr, so that stdout stays for what is asked for."""

import shutil
import sys
from pathlib import Path
from typing import Final

from rich.console import Console

__all__ = ["command", "out", "words"]

words: Final = Console(stderr=True, highlight=False, soft_wrap=True)
out: Final = Console(highlight=False, soft_wrap=True)


def command() -> str:
    """How to call `turnlog` from where the user is."""
    script = Path(sys.argv[0])
    if shutil.which("turnlog") or not script.is_absolute():
        return "turnlog" if shutil.which("turnlog") else str(script)
    here = Path.cwd()
    return str(script.relative_to(here)) if script.is_relative_to(here) else str(script)
