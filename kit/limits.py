"""How often somebody may do something: counted in Postgres, so that all replicas count together.

A window begins with the first hit and ends by the database's clock, whatever the clocks of the replicas say.
"""

import time
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from typing import Any, ClassVar, Final

from sqlalchemy import Text, text
from sqlmodel import Field, SQLModel

from kit.errors import Problem
from kit.postgres import Db
from kit.postgres.tables import timestamp
from kit.rates import Rate

__all__ = ["HIT", "Limiter", "Quota", "RateHits", "TooManyRequests", "key_of", "parameters"]

_MOST_REMEMBERED: Final = 10_000

HIT: Final = """
    INSERT INTO rate_limits (key, hits, resets_at)
    VALUES (:key, :cost, now() + make_interval(secs => :seconds))
    ON CONFLICT (key) DO UPDATE SET
        hits = CASE WHEN rate_limits.resets_at > now()
                AND rate_limits.resets_at < excluded.resets_at + interval '10 seconds'
            THEN least(rate_limits.hits, :amount) + :cost ELSE :cost END,
        resets_at = CASE WHEN rate_limits.resets_at > now()
                AND rate_limits.resets_at < excluded.resets_at + interval '10 seconds'
            THEN rate_limits.resets_at ELSE excluded.resets_at END
    RETURNING hits, CAST(extract(epoch FROM resets_at - now()) AS float) AS resets_in
"""
"""Counts hits. A window that would end later than one that begins now is of a clock that was set back.

A little later it may end: what came first may have had to wait for what came after it.
"""

_HIT: Final = text(HIT)
_CLEAR: Final = text("DELETE FROM rate_limits WHERE resets_at < now() - interval '1 hour'")


class RateHits(SQLModel, table=True):
    """Hits of a key in the window that ends at `resets_at`. The table is not logged: a crash forgets it."""

    __tablename__: ClassVar[Any] = "rate_limits"
    __table_args__: ClassVar[dict[str, Any]] = {"prefixes": ["UNLOGGED"]}

    key: str = Field(primary_key=True, sa_type=Text)
    hits: int
    resets_at: datetime = timestamp(default=False, index=True)


def key_of(name: str, rate: Rate, whose: str) -> str:
    """What is counted under: another rate, as of another tier, has a count of its own."""
    return f"{name}:{rate.amount}/{rate.seconds}:{whose}"


def parameters(key: str, rate: Rate, *, cost: int = 1) -> dict[str, Any]:
    """Those of HIT."""
    return {"key": key, "seconds": rate.seconds, "amount": rate.amount, "cost": cost}


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
    _taken: dict[str, tuple[int, float]] = field(default_factory=dict[str, tuple[int, float]])

    async def hit(self, name: str, rate: Rate, whose: str) -> Quota:
        """Count one. Raises TooManyRequests where `whose` have no more."""
        key = key_of(name, rate, whose)
        self.refuse_spent(name, rate, key)
        [row] = await self.db.run(_HIT, parameters(key, rate))
        return self.judge(name, rate, key, hits=row.hits, left=row.resets_in)

    async def hit_often(self, name: str, rate: Rate, whose: str, *, at_once: int) -> None:
        """Count one, of which `at_once` are taken together, so that few of them cost a query.

        Never more than the rate are let through; those that a process has taken and not used are lost.
        Raises TooManyRequests.
        """
        key, now = key_of(name, rate, whose), time.monotonic()
        left, until = self._taken.get(key, (0, 0.0))
        if not left or now >= until:
            self.refuse_spent(name, rate, key)
            [row] = await self.db.run(_HIT, parameters(key, rate, cost=at_once))
            before = row.hits - at_once
            self.judge(name, rate, key, hits=before + 1, left=row.resets_in)
            left, until = min(at_once, rate.amount - before), now + row.resets_in
            if len(self._taken) >= _MOST_REMEMBERED:
                self._taken.clear()
        self._taken[key] = left - 1, until

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
