"""Who may begin another turn: how often, how many at a time, how many tokens a day."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID
from weakref import WeakValueDictionary

from sqlalchemy import Row, text

from chat_api.auth.limits import Limits
from kit.errors import Problem
from kit.limits import HIT, Quota, key_of, parameters
from kit.postgres.tables import now
from kit.tokens import Identity

__all__ = ["Admission", "BudgetSpent", "TooManyTurns"]

_DAY: Final = timedelta(days=1)
_FORGET: Final = text("DELETE FROM spent_tokens WHERE hour < now() - interval '2 days'")
_STATE: Final = """(
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
"""
_ADMIT: Final = text(f"WITH hit AS ({HIT}) SELECT hits, resets_in, {_STATE} FROM hit")  # noqa: S608
_LOOK: Final = text(f"SELECT {_STATE}")
_LOCK: Final = text(
    "SELECT set_config('lock_timeout', '5s', true), pg_advisory_xact_lock(CAST(:key AS bigint))"
)
# More than other replicas may be about to begin for the same person.
_NEAR: Final = 8
# Each holds a connection while its turn begins, which needs another one.
_MOST_WAITING: Final = 2


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
    # Who begins a turn sees those that began before: here one after another; elsewhere, where it may be one
    # too many, by a lock in the database.
    _begins: WeakValueDictionary[UUID, asyncio.Lock] = field(
        default_factory=WeakValueDictionary[UUID, asyncio.Lock]
    )
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_MOST_WAITING))

    @asynccontextmanager
    async def admit(self, identity: Identity, key: str | None, *, answer: int) -> AsyncGenerator[Quota]:
        """Count a turn, which is to begin within the context; its `answer` may take so many tokens.

        One that is sent again with its `key` is let in however many there are. Raises TooManyRequests,
        TooManyTurns, BudgetSpent.
        """
        lock = self._begins.setdefault(identity.owner, asyncio.Lock())
        asked: dict[str, Any] = {
            "user_id": identity.owner,
            "counted": self.tokens is not None,
            "since": now() - _DAY,
            "sent": key,
        }
        async with lock, AsyncExitStack() as stack:
            quota, state = await self._count(identity, asked)
            if self._is_full(state, answer, _NEAR):
                state = await stack.enter_async_context(self._alone(asked))
            self._judge(state, answer)
            yield quota

    async def _count(self, identity: Identity, asked: dict[str, Any]) -> tuple[Quota, Row[Any]]:
        limiter, rate = self.limits.limiter, self.limits.of("chat", identity)
        whose = key_of("chat", rate, identity.owner.hex)
        limiter.refuse_spent("chat", rate, whose)
        [row] = await limiter.db.run(_ADMIT, parameters(whose, rate) | asked)
        return limiter.judge("chat", rate, whose, hits=row.hits, left=row.resets_in), row

    @asynccontextmanager
    async def _alone(self, asked: dict[str, Any]) -> AsyncGenerator[Row[Any]]:
        """What there is while nobody else begins a turn of this person who might be one too many."""
        async with self._room, self.limits.limiter.db.begin() as session:
            await session.execute(_LOCK, {"key": asked["user_id"].int >> 65})
            yield (await session.execute(_LOOK, asked)).one()

    def _is_full(self, state: Row[Any], answer: int, more: int = 0) -> bool:
        """Whether nothing is left, or would be after so many `more` turns."""
        live = state.live + more
        return live >= self.most_live or (
            self.tokens is not None and state.tokens + live * answer >= self.tokens
        )

    def _judge(self, state: Row[Any], answer: int) -> None:
        if state.known or not self._is_full(state, answer):
            return
        if state.live >= self.most_live or self.tokens is None:
            raise TooManyTurns(self.most_live)
        raise BudgetSpent(self.tokens, live=state.tokens < self.tokens)

    async def clear(self) -> None:
        """Forget what counts no more."""
        await self.limits.limiter.clear()
        await self.limits.limiter.db.run(_FORGET, {})
