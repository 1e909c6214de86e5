"""Changing only what was read: `If-Match` (RFC 9110, 13.1.1), for what has its version as its `ETag`."""

import re
from typing import Annotated, Final, TypeAlias

from fastapi import Depends, Header

__all__ = ["Expected", "ExpectedVersions", "etag"]

_LONGEST: Final = 1000
_TAG: Final = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS: Final = rf"[ \t]*{_TAG}(?:[ \t]*,[ \t]*{_TAG})*[ \t]*"
_VERSION: Final = re.compile(r'(?:W/)?"[^"]*"')
_OURS: Final = re.compile(r'"(\d{1,9})"', re.ASCII)
_DESCRIPTION: Final = "The `ETag` of the version that the change is made to"


def etag(version: int) -> str:
    """The `ETag` of a version."""
    return f'"{version}"'


async def _optional(
    if_match: Annotated[
        str | None,
        Header(max_length=_LONGEST, pattern=rf"^(?:[ \t]*\*[ \t]*|{_TAGS})$", description=_DESCRIPTION),
    ] = None,
) -> frozenset[int] | None:
    return None if if_match is None or if_match.strip() == "*" else _versions(if_match)


async def _named(
    if_match: Annotated[str, Header(max_length=_LONGEST, pattern=rf"^{_TAGS}$", description=_DESCRIPTION)],
) -> frozenset[int]:
    return _versions(if_match)


def _versions(tags: str) -> frozenset[int]:
    """The versions that are named; a weak tag never matches, nor one that is none of ours."""
    found = (_OURS.fullmatch(tag) for tag in _VERSION.findall(tags))
    return frozenset(int(ours[1]) for ours in found if ours is not None)


Expected: TypeAlias = Annotated[frozenset[int] | None, Depends(_optional)]
"""The versions that a change may be made to; None: any, as the caller names none."""

ExpectedVersions: TypeAlias = Annotated[frozenset[int], Depends(_named)]
"""The same where the caller has to name one."""
