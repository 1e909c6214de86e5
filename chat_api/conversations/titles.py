"""What a conversation is called before anybody has named it."""

from typing import Final

__all__ = ["title_of"]

_LONGEST: Final = 60
# Of which a line is taken: a message may be long.
_READ: Final = 1000


def title_of(message: str) -> str:
    """The beginning of a message's first line, of 61 characters at most; "" where it says nothing."""
    line = next((line for line in message.lstrip()[:_READ].splitlines() if line.strip()), "")
    said = " ".join(line.split())
    if len(said) <= _LONGEST:
        return said
    begun, space, _ = said[: _LONGEST + 1].rpartition(" ")
    return f"{begun if space else said[:_LONGEST]}…"
