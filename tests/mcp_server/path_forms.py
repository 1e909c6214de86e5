"""Paths out of a user's folder, in every spelling that somebody has ever read as one.

Each leads out where a server decodes, normalises or cleans what it is given after it has looked at it.
"""

import os
import re
import unicodedata
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from tests.mcp_server.traps import BOB, CHAIN

__all__ = ["leads_out", "path_forms"]

_DOTS: Final = (
    *(
        "..",
        "%2e%2e",
        "%2E.",
        ".%2e",
        "%252e%252e",
        "%25252e%25252e",
        "%c0%ae%c0%ae",
        "%u002e%u002e",
        "..;a=b",
    ),
    *("\uff0e\uff0e", "\u2025", "\u2024\u2024", ".\ufe52", ".\u200b.", "\u200b..", ".\u00ad.", "..\ufeff"),
    *(".. ", "..\t", "%20..", "..%00", "..\x00", "....//", "..././", "\\x2e\\x2e", "&#46;&#46;", "&period;."),
)
_SLASHES: Final = (
    *(
        "/",
        "//",
        "/./",
        "\\",
        "/\\",
        "\\/",
        "%2f",
        "%2F",
        "%5c",
        "%252f",
        "%255c",
        "%25252f",
        "%c0%af",
        "%u2215",
    ),
    *("\uff0f", "\uff3c", "\u2044", "\u2215", "\u29f8", "\ufe68", "\u2571", "\\x2f", "&#47;", "&sol;"),
)
_ABSOLUTE: Final = (
    *("/", "//", "/./", "\\", "%2f", "%252f", "\uff0f", "\u2044", "&#47;", "file:///", "FILE:///", "file:/"),
    *(
        "file://localhost/",
        "/proc/self/root/",
        "/dev/fd/../../../",
        "/inside/../../",
        "\x00/",
        " /",
    ),
    *("url:file:///", "\\\\?\\C:\\", "C:\\", "C:/", "c:", "\\\\localhost\\C$\\", "//localhost/C$/", "C|/"),
)
_ENCODED: Final = re.compile(r"(?i)(?P<wide>%u[0-9a-f]{4})|%c0%a[ef]|\\x2[ef]|&#4[67];|&(period|sol);")
_UNSEEN: Final = re.compile("[\x00\u200b\u00ad\ufeff]")
_PARAMETER: Final = re.compile(r";[^/\\\u2044\u2215\u29f8\u2571\uff0f\uff3c\ufe68]*")
_BLANKS: Final = re.compile(r"^\s+|\s+(?=[/.]|$)|(?<=[/.])\s+")
_ALIKE: Final = str.maketrans("\u2044\u2215\u29f8\u2571\\", "/////")
_TOP: Final = re.compile(
    r"(?i)^((url:)?file:(//(localhost)?)?/*(c[:|$])?|//[?.]/c:|//localhost/c\$|c[:|]|/)/*"
)
_HOME: Final = "/root/"


def path_forms(root: Path) -> Iterator[str]:
    """The paths, for the folder of `laid(root)`."""
    yield from dict.fromkeys((*_climbs(), *_from_the_top(root), *_long(), *_links()))


def _climbs() -> Iterator[str]:
    for dots, slash in product(_DOTS, _SLASHES):
        yield f"{dots}{slash}{dots}{slash}canary.txt"
        yield f"inside{slash}{dots}{slash}{dots}{slash}{BOB}{slash}canary.txt"


def _from_the_top(root: Path) -> Iterator[str]:
    for top, place in product(_ABSOLUTE, ("etc/passwd", f"{root}/canary.txt".lstrip("/"))):
        yield top + place
    for home in ("~", "~/", "~root/", "~/../", "$HOME/", "${HOME}/", "%HOME%/", "~+/", "~-/"):
        yield f"{home}../../canary.txt"


def _long() -> Iterator[str]:
    """Longer than a check, a name or a path may be, and out at the end."""
    for times in (1, 2, 5, 15, 16, 17, 40, 90, 124):
        yield "inside/../" * times + "../../canary.txt"
        yield "a/" * times + "../" * (times + 2) + "canary.txt"
        yield "./" * times + "../../canary.txt"
        yield "/" * times + "etc/passwd"
        yield "../" * times + "canary.txt"
    for length in (254, 255, 256, 900, 4096):
        yield "a" * length + "/../../../canary.txt"
        yield "/" * length + "etc/passwd"


def _links() -> Iterator[str]:
    first = (
        "up/",
        "inside/up/",
        "link/",
        "inside/link/",
        "bob/",
        "root/etc/",
        "self/",
        "root/proc/self/root/etc/",
    )
    chains = (f"chain{number}/" for number in range(CHAIN))
    for link, tail in product(
        (*first, *chains), ("canary.txt", "passwd", "secret/canary.txt", "../canary.txt")
    ):
        yield link + tail


def leads_out(form: str, folder: Path) -> bool:
    """Whether `form`, as it is or as eagerly read as can be, ends outside of `folder`."""
    return any(_outside(path, folder) for path in (form, _read_eagerly(form)))


def _read_eagerly(path: str) -> str:
    """What is left when everything is decoded, cleaned and taken for what it looks like."""
    for _ in range(3):
        path = unquote(_ENCODED.sub(_decoded, path))
    path = _PARAMETER.sub("", _UNSEEN.sub("", path))
    path = _BLANKS.sub("", unicodedata.normalize("NFKC", path).translate(_ALIKE))
    # Once, as those do who forget that what is left may be the same again.
    path = path.replace("../", "") if "..." in path else path
    return _TOP.sub("/", os.path.expandvars(re.sub("(?<=/)~/?|^~[a-z+-]*", _HOME, path)))


def _decoded(found: re.Match[str]) -> str:
    kind, point = found.lastgroup, found[0].lower()
    if kind == "wide":
        return bytes.fromhex(point[2:]).decode("utf-16-be")
    return "." if point.endswith(("ae", "2e", "46;", "period;")) else "/"


def _outside(path: str, folder: Path) -> bool:
    joined = folder / path.replace("\0", "")
    try:
        ends = joined.resolve()
    except (OSError, RuntimeError):  # too long a name, or links in a circle
        ends = Path(os.path.normpath(joined))
    return not ends.is_relative_to(folder)
