"""From what a website sent to text that a model can read."""

import asyncio
import codecs
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
from pydantic import BaseModel, ValidationError

from mcp_server.outbound import Fetched

__all__ = ["Unreadable", "printable", "readable"]

_EXTRACTOR: Final = Path(__file__).with_name("page_text.py")
_AT_ONCE: Final = anyio.CapacityLimiter(4)
_HTML: Final = frozenset({"text/html", "application/xhtml+xml"})
_DECLARED: Final = re.compile(
    rb"""<meta[^>]{0,200}charset\s{0,9}=\s{0,9}["']?([\w.:-]{1,40})""", re.IGNORECASE
)
_MARKS: Final = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# Those that Python decodes in linear time; punycode and idna, for two, it does not.
_CHARSETS: Final = re.compile(r"(utf-8|iso8859|cp12|cp874|cp932|cp949|koi8|mac|gb|big5|euc|shift|iso2022).*")


class Unreadable(Exception):
    """Why there is no text in it, in plain words."""


@dataclass(frozen=True, slots=True)
class Readable:
    title: str | None
    text: str


class _Extracted(BaseModel):
    title: str | None
    text: str


async def readable(page: Fetched, seconds: float = 8.0) -> Readable:
    """The main text of an HTML page, or any other text as it is. Raises Unreadable, also after `seconds`."""
    text = _decoded(page)
    found = await _main_text(text, seconds) if page.media_type in _HTML else _Extracted(title=None, text=text)
    body, title = printable(found.text).strip(), " ".join(printable(found.title or "").split())
    if not body:
        raise Unreadable("That page holds no text, perhaps because it needs a browser; use another one.")
    return Readable(title or None, body)


async def _main_text(html: str, seconds: float) -> _Extracted:
    try:
        with anyio.fail_after(seconds):
            answer = await _extract(html)
        return _Extracted.model_validate_json(answer)
    except (TimeoutError, ValidationError) as error:
        raise Unreadable("That page is too tangled to read; use another one.") from error


async def _extract(html: str) -> bytes:
    async with _AT_ONCE:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", _EXTRACTOR, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
        )
        try:
            return (await process.communicate(html.encode(errors="replace")))[0]
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            with anyio.CancelScope(shield=True):
                await process.wait()


def printable(text: str) -> str:
    """`text` without control, invisible and direction-changing characters; odd white space as blanks."""
    odd = {character for character in set(text) if not character.isprintable()} - {"\n", "\t"}
    return text.replace("\r\n", "\n").translate({ord(one): " " if one.isspace() else None for one in odd})


def _decoded(page: Fetched) -> str:
    """The body as text: by its byte order mark, else as declared, else UTF-8, else Windows-1252."""
    charset = _charset(page)
    if charset is not None:
        return page.body.decode(charset, "replace")
    try:
        return codecs.utf_8_decode(page.body, "strict", page.complete)[0]
    except UnicodeDecodeError:
        return page.body.decode("cp1252", "replace")


def _charset(page: Fetched) -> str | None:
    for mark, charset in _MARKS.items():
        if page.body.startswith(mark):
            return charset
    declared = _DECLARED.search(page.body[:4096]) if page.media_type in _HTML else None
    label = page.charset or (declared[1].decode("ascii") if declared else None)
    try:
        name = codecs.lookup(label).name if label else ""
    except (LookupError, ValueError):
        return None
    if name in {"ascii", "iso8859-1"}:  # as the WHATWG's Encoding Standard has it
        return "cp1252"
    return name if _CHARSETS.fullmatch(name) else None
