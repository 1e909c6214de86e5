"""Identifiers: time-ordered ones for rows, and the one id of a person."""

from typing import Final
from uuid import UUID, uuid5

from uuid_utils.compat import uuid7

__all__ = ["new_id", "owner_id"]

_PEOPLE: Final = UUID("6f3f6c52-6f0e-5d0c-9c51-2f7b8a3d1e44")


def new_id() -> UUID:
    """A new UUIDv7 (RFC 9562, section 5.7): unique, and ordered by time."""
    return uuid7()


def owner_id(issuer: str, subject: str) -> UUID:
    """The id under which everything of one person is kept.

    A person is the pair of token issuer and subject (OpenID Connect Core 1.0, section 5.7). The id is a
    UUIDv5 of that pair, so that every service computes the same one without asking another.
    """
    return uuid5(_PEOPLE, f"{len(issuer)}:{issuer}:{subject}")
