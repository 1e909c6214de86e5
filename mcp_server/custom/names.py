"""Names of custom tools: plain words of ASCII that nobody takes for another tool's."""

import builtins
import keyword
import re
from collections.abc import Iterable
from typing import Final

from mcp_server.custom.errors import NameTaken, Unfit

__all__ = ["check_name", "skeleton"]

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
# What stands between the name of another MCP server and that of its tool.
_SEPARATOR: Final = "__"
_ALIKE: Final = (("_", ""), ("0", "o"), ("1", "l"), ("i", "l"), ("5", "s"), ("rn", "m"), ("vv", "w"))


def check_name(name: str, built_in: Iterable[str]) -> None:
    """Raises Unfit, or NameTaken where it is or looks like one that is `built_in`."""
    if not _NAME.fullmatch(name):
        raise Unfit("name", "use 1 to 64 small letters a to z, digits and _, beginning with a letter.")
    if _SEPARATOR in name:
        raise Unfit("name", "two _ in a row stand between the names of another server and of its tool.")
    if keyword.iskeyword(name) or keyword.issoftkeyword(name) or hasattr(builtins, name):
        raise Unfit("name", "Python has something of that name.")
    bones = skeleton(name)
    for other in built_in:
        if skeleton(other) == bones:
            raise NameTaken(other)


def skeleton(name: str) -> str:
    """The same for names that look alike (as in Unicode Technical Standard 39, section 4, for ASCII)."""
    for seen, taken_for in _ALIKE:
        name = name.replace(seen, taken_for)
    return name
