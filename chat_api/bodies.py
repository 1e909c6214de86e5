"""What a request's body is written in."""

from typing import Final

from fastapi import Request

from kit.errors import Problem

__all__ = ["NotUtf8", "utf8_body"]

_WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class NotUtf8(Problem):
    status = 400
    code = "invalid_json"

    def __init__(self) -> None:
        super().__init__("The body is not JSON in UTF-8.")


async def utf8_body(request: Request) -> None:
    """Refuse JSON in another encoding (RFC 8259, section 8.1), which Python's parser would guess."""
    if request.method in _WITHOUT_BODY:
        return
    body = await request.body()
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise NotUtf8 from error
    if b"\x00" in body:
        raise NotUtf8
