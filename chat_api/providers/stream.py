"""A provider's bytes as lines, and its text as what can be kept, wherever either is cut."""

import re
from typing import Final

from chat_api.providers.tool_calls import clean_text

__all__ = ["LONGEST", "Cleaner", "Lines", "TooLong", "joined_pairs"]

LONGEST: Final = 4 * 1024 * 1024
"""Bytes of a line, and characters of an answer, at most."""

_DATA: Final = b"data:"
_BOM: Final = b"\xef\xbb\xbf"
_PAIR: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_HIGH: Final = re.compile("[\ud800-\udbff]$")


class TooLong(ValueError):
    """More than a provider may say."""


class Lines:
    """Cuts a stream of server-sent events into the data of each line; comments and other fields are left out.

    Lines end at LF or CRLF alone: JSON may hold every other character that Unicode counts as an end of line.
    """

    def __init__(self) -> None:
        self._begun: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of the lines that `piece` ends. Raises TooLong."""
        first, *rest = piece.split(b"\n")
        self._size += len(first)
        if self._size > LONGEST:
            raise TooLong
        self._begun.append(first)
        if not rest:
            return []
        lines = [b"".join(self._begun), *rest]
        self._begun = [lines.pop()]
        self._size = len(self._begun[0])
        return [data for line in lines if (data := _data(line))]

    def rest(self) -> list[bytes]:
        """The data of the last line, which no line feed has ended."""
        return self.feed(b"\n")


def _data(line: bytes) -> bytes:
    line = line.removeprefix(_BOM)
    return line[len(_DATA) :].strip() if line.startswith(_DATA) else b""


class Cleaner:
    """Cleans a text piece by piece, to the same text wherever it is cut: also within a surrogate pair."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        if piece.isascii() and not self._held and "\x00" not in piece:
            return piece
        text = self._held + piece.replace("\x00", "")
        high = _HIGH.search(text)
        self._held = high[0] if high else ""
        return clean_text(joined_pairs(text[: high.start()] if high else text))

    def rest(self) -> str:
        """What was held back for a second half that never came."""
        held, self._held = self._held, ""
        return clean_text(held)


def joined_pairs(text: str) -> str:
    """The text with each character that came as two surrogates in one piece."""
    return _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)
