"""Lists in pages, with cursors that mean nothing to a client."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final, TypeVar

from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

__all__ = ["BadCursor", "cut", "key_before", "page"]

T = TypeVar("T")

SIZE: Final = 100


class BadCursor(MCPError):
    """The cursor is none that this list gave."""

    def __init__(self) -> None:
        super().__init__(INVALID_PARAMS, "Send a cursor that this list gave as nextCursor, or none to begin.")


def page(
    what: str, items: Iterable[T], key: Callable[[T], str], cursor: str | None
) -> tuple[list[T], str | None]:
    """The items of the fixed list `what` from the cursor on, and the next one. Raises BadCursor."""
    rest = list(items)
    last = key_before(what, cursor)
    if last is not None:
        keys = [key(item) for item in rest]
        if last not in keys:
            raise BadCursor
        rest = rest[keys.index(last) + 1 :]
    return cut(what, rest, key)


def cut(what: str, rest: Iterable[T], key: Callable[[T], str]) -> tuple[list[T], str | None]:
    """One page of what is left of a list, and the cursor of the next."""
    found = list(islice(rest, SIZE + 1))
    if len(found) <= SIZE:
        return found, None
    named = f"{what}\n{key(found[SIZE - 1])}"
    return found[:SIZE], urlsafe_b64encode(named.encode()).decode()


def key_before(what: str, cursor: str | None) -> str | None:
    """The key of the last item of the page before. Raises BadCursor."""
    if cursor is None:
        return None
    try:
        named, _, key = urlsafe_b64decode(cursor).decode().partition("\n")
    except (binascii.Error, ValueError) as error:
        raise BadCursor from error
    if named != what:
        raise BadCursor
    return key
