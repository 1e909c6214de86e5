"""How often somebody may do something: counted in Postgres, so that all replicas count together.

A window begins with the first hit and ends by the database's clock, whatever the clocks of the replicas say.
"""

import re
import time
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from typing import Any, ClassVar, Final, NamedTuple

from sqlalchemy import Text, text
from sqlmodel import Field, SQLModel

from kit.errors import Problem
from kit.postgres import Db
from kit.postgres.tables import timestamp

__all__ = ["HIT", "Limiter", "Quota", "Rate", "RateHits", "TooManyRequests", "parse_rate"]

_UNITS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_RATE: Final = re.compile(r"(\d{1,9})\s*/\s*(?:(\d{1,5})\s*)?(second|minute|hour|day)s?")
_MOST_REMEMBERED: Final = 10_000

HIT: Final = """
    INSERT INTO rate_limits (key, hits, resets_at)
    VALUES (:key, 1, now() + make_interval(secs => :seconds))
    ON CONFLICT (key) DO UPDATE SET
        hits = CASE WHEN rate_limits.resets_at > now() AND rate_limits.resets_at <= excluded.resets_at
            THEN least(rate_limits.hits, :amount) + 1 ELSE 1 END,
        resets_at = CASE WHEN rate_limits.resets_at > now() AND rate_limits.resets_at <= excluded.resets_at
            THEN rate_limits.resets_at ELSE excluded.resets_at END
    RETURNING hits, CAST(extract(epoch FROM resets_at - now()) AS float) AS resets_in
"""
"""Counts one hit. A window that would end later than one that begins now is of a clock that was set back."""

_HIT: Final = text(HIT)
_CLEAR: Final = text("DELETE FROM rate_limits WHERE resets_at < now() - interval '1 hour'")


class RateHits(SQLModel, table=True):
    """Hits of a key in the window that ends at `resets_at`. The table is not logged: a crash forgets it."""

    __tablename__: ClassVar[Any] = "rate_limits"
    __table_args__: ClassVar[dict[str, Any]] = {"prefixes": ["UNLOGGED"]}

    key: str = Field(primary_key=True, sa_type=Text)
    hits: int
    resets_at: datetime = timestamp(default=False, index=True)


class Rate(NamedTuple):
    """So many hits in so many seconds."""

    amount: int
    seconds: int

    def times(self, factor: float) -> "Rate":
        return self._replace(amount=max(1, int(self.amount * factor)))


def parse_rate(words: str) -> Rate:
    """The rate in words such as `60/minute` or `5/10 seconds`. Raises ValueError."""
    found = _RATE.fullmatch(words.strip().lower())
    if found is None or not int(found[1]) or found[2] == "0":
        raise ValueError("write it like 60/minute, 5/10 seconds or 1000/day")
    return Rate(int(found[1]), int(found[2] or 1) * _UNITS[found[3]])


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of a rate for a while: `left` hits in the next `seconds`."""

    name: str
    rate: Rate
    left: int
    seconds: float

    @property
    def headers(self) -> dict[str, str]:
        """What tells a client (draft-ietf-httpapi-ratelimit-headers-10)."""
        return {
            "RateLimit-Policy": f'"{self.name}";q={self.rate.amount};w={self.rate.seconds}',
            "RateLimit": f'"{self.name}";r={self.left};t={ceil(self.seconds)}',
        }


class TooManyRequests(Problem):
    status = 429
    code = "rate_limited"

    def __init__(self, quota: Quota) -> None:
        wait = max(1, ceil(quota.seconds))
        super().__init__(
            f"That was too often; try again in {wait} s.",
            headers={**quota.headers, "Retry-After": str(wait)},
            details={"limit": quota.name, "retry_after": wait},
        )


@dataclass(slots=True)
class Limiter:
    """Counts hits; those that are known to be too many cost no query."""

    db: Db
    _spent: dict[str, float] = field(default_factory=dict[str, float])

    async def hit(self, name: str, rate: Rate, whose: str) -> Quota:
        """Count one. Raises TooManyRequests where `whose` have no more."""
        key = f"{name}:{whose}"
        self.refuse_spent(name, rate, key)
        [row] = await self.db.run(_HIT, {"key": key, "seconds": rate.seconds, "amount": rate.amount})
        return self.judge(name, rate, key, hits=row.hits, left=row.resets_in)

    def refuse_spent(self, name: str, rate: Rate, key: str) -> None:
        """Raises TooManyRequests where it is known that there are no more."""
        until = self._spent.get(key)
        if until is not None:
            left = until - time.monotonic()
            if left > 0:
                raise TooManyRequests(Quota(name, rate, 0, left))
            del self._spent[key]

    def judge(self, name: str, rate: Rate, key: str, *, hits: int, left: float) -> Quota:
        """What is left after so many hits. Raises TooManyRequests."""
        quota = Quota(name, rate, max(0, rate.amount - hits), left)
        if hits > rate.amount:
            if len(self._spent) >= _MOST_REMEMBERED:
                self._spent.clear()
            self._spent[key] = time.monotonic() + left
            raise TooManyRequests(quota)
        return quota

    async def clear(self) -> None:
        """Forget windows that are long over."""
        await self.db.run(_CLEAR, {})
