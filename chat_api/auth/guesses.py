"""Guessing a password: how often somebody may be wrong about one account, from all addresses together."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Final, TypeAlias
from uuid import UUID

from fastapi import Request
from sqlalchemy import text

from chat_api.auth.limits import Limits, address_of, limits_of
from kit.limits import key_of
from kit.rates import Rate

__all__ = ["guessing", "logging_in"]

_GUESSES: Final = Rate(100, 3600)
_NAME: Final = "password"
_KEPT_DAYS: Final = 90
# Under the person's id, so that it goes with them.
_PLACE: Final = "'login-from:' || replace(CAST(id AS text), '-', '') || ':' || :address"
_IS_KNOWN: Final = text(
    f"""
    SELECT FROM users JOIN rate_limits ON key = {_PLACE}
    WHERE email = :email AND resets_at > now()
    """
)
_REMEMBER: Final = text(
    f"""
    WITH right_one AS (DELETE FROM rate_limits WHERE key = :key)
    INSERT INTO rate_limits (key, hits, resets_at)
    SELECT {_PLACE}, 1, now() + make_interval(days => :days) FROM users WHERE id = :user_id
    ON CONFLICT (key) DO UPDATE SET resets_at = excluded.resets_at
    """  # noqa: S608
)
_FORGET: Final = text("DELETE FROM rate_limits WHERE key = :key")

Welcome: TypeAlias = Callable[[UUID], Awaitable[None]]


@asynccontextmanager
async def logging_in(request: Request, email: str) -> AsyncGenerator[Welcome]:
    """Count a try to log in, whether or not there is such an account; what it yields takes whose it was.

    From where a person has logged in before, they have tries of their own: guesses from elsewhere do not
    lock them out. Raises TooManyRequests.
    """
    limits, address = limits_of(request), address_of(request)
    if limits is None:
        yield _nothing
        return
    db, whose = limits.limiter.db, sha256(email.encode()).hexdigest()
    if await db.run(_IS_KNOWN, {"email": email, "address": address}):
        whose = f"{whose}:{address}"
    key = await _count(limits, whose)

    async def welcome(user_id: UUID) -> None:
        asked = {"key": key, "user_id": user_id, "address": address, "days": _KEPT_DAYS}
        await db.run(_REMEMBER, asked)

    yield welcome


@asynccontextmanager
async def guessing(request: Request, owner: UUID) -> AsyncGenerator[None]:
    """Count a try of the password of somebody who is signed in. Raises TooManyRequests."""
    limits = limits_of(request)
    if limits is None:
        yield
        return
    key = await _count(limits, owner.hex)
    yield
    await limits.limiter.db.run(_FORGET, {"key": key})


async def _count(limits: Limits, whose: str) -> str:
    await limits.limiter.hit(_NAME, _GUESSES, whose)
    return key_of(_NAME, _GUESSES, whose)


async def _nothing(_: UUID) -> None:
    """Remember nothing."""
