"""Who may begin another turn: how often, how many at a time, how many tokens a day."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID
from weakref import WeakValueDictionary

from sqlalchemy import text

from chat_api.auth.limits import Limits
from kit.errors import Problem
from kit.limits import HIT, Quota, key_of, parameters
from kit.postgres.tables import now
from kit.tokens import Identity

__all__ = ["Admission", "BudgetSpent", "TooManyTurns"]

_DAY: Final = timedelta(days=1)
_FORGET: Final = text("DELETE FROM spent_tokens WHERE hour < now() - interval '2 days'")
_ADMIT: Final = text(
    f"""
    WITH hit AS ({HIT})
    SELECT hits, resets_in, (
        SELECT count(*) FROM runs WHERE user_id = :user_id AND status IN ('running', 'requires_action')
    ) + (
        SELECT count(*) FROM runs WHERE user_id = :user_id AND status = 'queued'
    ) AS live, CASE WHEN :counted THEN (
        SELECT coalesce(sum(CAST(usage ->> 'total_tokens' AS bigint)), 0) FROM runs
        WHERE user_id = :user_id AND created_at >= :since
    ) + (
        SELECT coalesce(sum(tokens), 0) FROM spent_tokens WHERE user_id = :user_id AND hour >= :since
    ) ELSE 0 END AS tokens, EXISTS (
        SELECT FROM runs WHERE user_id = :user_id AND idempotency_key = :sent
    ) AS known
    FROM hit
    """  # noqa: S608
)


class TooManyTurns(Problem):
    status = 429
    code = "too_many_turns"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"You have {most} turns that are not over; wait for one of them, or cancel it.",
            headers={"Retry-After": "5"},
        )


class BudgetSpent(Problem):
    status = 429
    code = "budget_spent"

    def __init__(self, tokens: int, *, live: bool = False) -> None:
        """`live`: what is left may go to turns that are not over."""
        if live:
            message = (
                f"What is left of your {tokens} tokens a day may go to turns that are not over; wait for one."
            )
        else:
            message = f"You have used the {tokens} tokens that you may use in a day; try again later."
        super().__init__(message, headers={"Retry-After": "5" if live else "3600"})


@dataclass(frozen=True, slots=True)
class Admission:
    """`most_live` turns of a person that are not over; `tokens` that one may use in 24 hours, if not None.

    Of these, as many as one answer may take are kept for each turn that is not over.
    """

    limits: Limits
    most_live: int
    tokens: int | None
    # Who begins a turn sees those that began before: here one after another, elsewhere by the database.
    _begins: WeakValueDictionary[UUID, asyncio.Lock] = field(
        default_factory=WeakValueDictionary[UUID, asyncio.Lock]
    )

    @asynccontextmanager
    async def admit(self, identity: Identity, key: str | None, *, answer: int) -> AsyncGenerator[Quota]:
        """Count a turn, which is to begin within the context; its `answer` may take so many tokens.

        One that is sent again with its `key` is let in however many there are. Raises TooManyRequests,
        TooManyTurns, BudgetSpent.
        """
        lock = self._begins.setdefault(identity.owner, asyncio.Lock())
        async with lock:
            yield await self._count(identity, key, answer)

    async def _count(self, identity: Identity, key: str | None, answer: int) -> Quota:
        limiter, rate = self.limits.limiter, self.limits.of("chat", identity)
        whose = key_of("chat", rate, identity.owner.hex)
        limiter.refuse_spent("chat", rate, whose)
        asked: dict[str, Any] = parameters(whose, rate) | {
            "user_id": identity.owner,
            "counted": self.tokens is not None,
            "since": now() - _DAY,
            "sent": key,
        }
        [row] = await limiter.db.run(_ADMIT, asked)
        quota = limiter.judge("chat", rate, whose, hits=row.hits, left=row.resets_in)
        if row.known:
            return quota
        if row.live >= self.most_live:
            raise TooManyTurns(self.most_live)
        if self.tokens is not None and row.tokens + row.live * answer >= self.tokens:
            raise BudgetSpent(self.tokens, live=row.tokens < self.tokens)
        return quota

    async def clear(self) -> None:
        """Forget what counts no more."""
        await self.limits.limiter.clear()
        await self.limits.limiter.db.run(_FORGET, {})
