"""Lists in pages: cursors that mean nothing to a client, and hold where the page before ended."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from kit.errors import Problem

__all__ = ["LONGEST_CURSOR", "InvalidCursor", "read_cursor", "write_cursor"]

LONGEST_CURSOR: Final = 4_000
"""Characters. Percent-encoding makes twelve of one, and the HTTP server reads no address over 64 KiB."""

M = TypeVar("M", bound=BaseModel)


class InvalidCursor(Problem):
    status = 422
    code = "invalid_cursor"

    def __init__(self) -> None:
        super().__init__(
            "Send as cursor what the page before had as next_cursor, with the same other parameters."
        )


def write_cursor(place: BaseModel) -> str:
    """A cursor that holds `place`. Whoever reads it can change it: nothing in it may decide who sees what."""
    return urlsafe_b64encode(place.model_dump_json().encode()).decode().rstrip("=")


def read_cursor(model: type[M], cursor: str) -> M:
    """The place that a cursor holds. Raises InvalidCursor for one that is none of this list."""
    try:
        return model.model_validate_json(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValidationError, ValueError) as error:
        raise InvalidCursor from error
