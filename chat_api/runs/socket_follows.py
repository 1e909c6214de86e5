"""The runs that one WebSocket follows: those of its subscriptions, and those that it has started."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlmodel import col

from chat_api.conversations.models import Conversation
from chat_api.conversations.service import ConversationNotFound
from chat_api.runs import service
from chat_api.runs.events import FINAL_TYPES
from chat_api.runs.models import FINAL, Run
from chat_api.runs.signals import Note
from chat_api.runs.socket_limits import Limits
from chat_api.runs.socket_line import Line
from chat_api.runs.socket_messages import Subscribe
from chat_api.runs.worker import Worker
from kit.errors import Problem
from kit.postgres.tables import now

__all__ = ["Follows", "Stopping", "TooManySubscriptions"]

_MOST_MISSED: Final = 1000
_MOST_REMEMBERED: Final = 10_000
_SKEW_MS: Final = 60_000
_NEWS_LASTS: Final = timedelta(minutes=1)

Key: TypeAlias = tuple[str, UUID | None]


class TooManySubscriptions(Problem):
    status = 429
    code = "too_many_subscriptions"


class Stopping(Exception):
    """The client is to go on at another process, for this one stops."""


@dataclass(slots=True, eq=False)
class _Followed:
    """`keys` are why it is followed."""

    keys: set[Key]
    task: asyncio.Task[None] = field(init=False)


class Follows:
    """`failed` is called with what ended a follow that was not to end."""

    def __init__(
        self,
        worker: Worker,
        user_id: UUID,
        line: Line,
        limits: Limits,
        failed: Callable[[BaseException], None],
    ) -> None:
        self._worker: Final = worker
        self._user_id: Final = user_id
        self._line: Final = line
        self._most: Final = limits.subscriptions
        self._failed: Final = failed
        self._room: Final = asyncio.Semaphore(limits.followed)
        self._subscriptions: Final[dict[Key, Subscribe]] = {}
        self._replays: Final[dict[Key, asyncio.Task[None]]] = {}
        self._followed: Final[dict[UUID, _Followed]] = {}
        self._over: Final[dict[UUID, None]] = {}
        self._tasks: Final[set[asyncio.Task[None]]] = set()

    def is_over(self, run_id: UUID) -> bool:
        """Whether the client was told of the run's end."""
        return run_id in self._over

    async def subscribe(self, wanted: Subscribe, confirm: Callable[[], Awaitable[None]]) -> None:
        """Follow what is wanted, from where the client is; what is over comes first, one by one.

        Raises RunNotFound, ConversationNotFound, TooManySubscriptions.
        """
        key = wanted.key
        if key not in self._subscriptions and len(self._subscriptions) >= self._most:
            raise TooManySubscriptions(f"A connection has {self._most} subscriptions at most.")
        await self._check(wanted)
        self._remember(await self._just_over())
        self.unsubscribe(key)
        # From here on there is news of it; what was before, the database knows.
        self._subscriptions[key] = wanted
        runs = await self._to_follow(wanted)
        await confirm()
        after = wanted.resumed
        ended = [run.id for run in runs if run.status in FINAL]
        self._remember(ended)
        self._replays[key] = self.spawn(self._replay([(run_id, after.get(run_id, 0)) for run_id in ended]))
        for run in runs:
            if run.status not in FINAL:
                self.begin(run.id, after.get(run.id, 0), key, again=wanted.scope == "run")

    def unsubscribe(self, key: Key) -> None:
        if self._subscriptions.pop(key, None) is None:
            return
        replay = self._replays.pop(key, None)
        if replay is not None:
            replay.cancel()
        for run_id, followed in list(self._followed.items()):
            followed.keys.discard(key)
            if not followed.keys:
                self._leave(run_id)

    def news(self, note: Note) -> None:
        """There is something new in a run of the user's, which may be one to follow from now on."""
        if note.run_id in self._over:
            return
        for key in (("user", None), ("conversation", note.conversation_id)):
            wanted = self._subscriptions.get(key)
            if wanted is not None:
                self.begin(note.run_id, wanted.resumed.get(note.run_id, 0), key)

    def begin(self, run_id: UUID, after: int, key: Key, *, again: bool = False) -> None:
        """Follow a run after number `after`; `again`: also where it is followed, or was to its end."""
        followed = self._followed.get(run_id)
        keys = {key}
        if followed is not None:
            followed.keys.add(key)
            if not again:
                return
            keys = followed.keys
            self._leave(run_id)
        self._over.pop(run_id, None)
        followed = self._followed[run_id] = _Followed(keys)
        followed.task = self.spawn(self._follow(run_id, after))
        followed.task.add_done_callback(lambda _: self._done(run_id, followed))

    def spawn(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._failed(error)

    def _done(self, run_id: UUID, followed: _Followed) -> None:
        if self._followed.get(run_id) is followed:
            del self._followed[run_id]
            self._line.forget(run_id)

    def _leave(self, run_id: UUID) -> None:
        self._followed.pop(run_id).task.cancel()
        self._line.forget(run_id)

    def _remember(self, run_ids: Iterable[UUID]) -> None:
        self._over.update(dict.fromkeys(run_ids))
        while len(self._over) > _MOST_REMEMBERED:
            del self._over[next(iter(self._over))]

    async def _follow(self, run_id: UUID, after: int) -> None:
        last = ""
        events = service.follow(self._worker, run_id, after, ended=False)
        async with self._room, aclosing(events) as batches:
            async for batch in batches:
                if batch:
                    await self._line.tell(batch)
                    last = batch[-1].type
        if last not in FINAL_TYPES and self._worker.stopping:
            raise Stopping
        self._remember([run_id])

    async def _replay(self, runs: list[tuple[UUID, int]]) -> None:
        for run_id, after in runs:
            async with aclosing(service.follow(self._worker, run_id, after, ended=True)) as batches:
                async for batch in batches:
                    await self._line.tell(batch)
            if run_id not in self._followed:
                self._line.forget(run_id)

    async def _check(self, wanted: Subscribe) -> None:
        db = self._worker.deps.db
        if wanted.run_id is not None:
            await service.get_owned(db, self._user_id, wanted.run_id)
        if wanted.conversation_id is not None:
            found = select(col(Conversation.id)).where(
                col(Conversation.id) == wanted.conversation_id, col(Conversation.user_id) == self._user_id
            )
            async with db() as session:
                if await session.scalar(found) is None:
                    raise ConversationNotFound

    async def _just_over(self) -> Sequence[UUID]:
        """Runs that may still be in the news, though they ended before."""
        found = select(col(Run.id)).where(
            col(Run.user_id) == self._user_id, col(Run.finished_at) > now() - _NEWS_LASTS
        )
        async with self._worker.deps.db() as session:
            return (await session.scalars(found.limit(_MOST_MISSED))).all()

    async def _to_follow(self, wanted: Subscribe) -> list[Run]:
        """The runs of the scope that are live, resumed, or perhaps missed; the oldest first."""
        db = self._worker.deps.db
        if wanted.run_id is not None:
            return [await service.get_owned(db, self._user_id, wanted.run_id)]
        which: list[ColumnElement[bool]] = [col(Run.status).not_in(FINAL), col(Run.id).in_(wanted.resumed)]
        if wanted.since is not None:
            which.append(col(Run.id) > _a_minute_before(wanted.since))
        found = select(Run).where(col(Run.user_id) == self._user_id, or_(*which))
        if wanted.conversation_id is not None:
            found = found.where(col(Run.conversation_id) == wanted.conversation_id)
        async with db() as session:
            newest = await session.scalars(found.order_by(col(Run.id).desc()).limit(_MOST_MISSED))
            return list(newest)[::-1]


def _a_minute_before(run_id: UUID) -> UUID:
    """The least UUIDv7 of a minute before: the clocks of replicas differ."""
    milliseconds = run_id.int >> 80
    return UUID(int=max(0, milliseconds - _SKEW_MS) << 80)
