"""Following logs: from memory where the run is driven here, else from the database as it is told of news."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeAlias
from uuid import UUID

import structlog
from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from chat_api.runs.events import Event, cut, parts
from chat_api.runs.feed import Feed
from chat_api.runs.log import RunLog
from chat_api.runs.signals import Note
from kit.postgres import Db
from kit.postgres.errors import AWAY

__all__ = ["Hub", "read"]

_PAGE: Final = 500
_PAGE_OF_A_READER: Final = 50
_POLL_EVERY: Final = 5.0
_PAUSE: Final = 1.0
_log = structlog.get_logger(__name__)

Watcher: TypeAlias = Callable[[Note], None]

_READ: Final = text(
    """
    SELECT found.run_id, found.seq, found.first_seq, found.type, found.data, found.at
    FROM jsonb_to_recordset(:wanted) AS wanted (run_id uuid, after bigint)
    CROSS JOIN LATERAL (
        SELECT * FROM events WHERE events.run_id = wanted.run_id AND events.seq > wanted.after
        ORDER BY events.seq LIMIT :page
    ) AS found
    ORDER BY found.run_id, found.seq
    """
).bindparams(bindparam("wanted", type_=JSONB))


_DELETED: Final = text(
    """
    SELECT wanted.id FROM unnest(:ids) AS wanted (id)
    WHERE NOT EXISTS (SELECT FROM runs WHERE runs.id = wanted.id)
    """
).bindparams(bindparam("ids", type_=ARRAY(PG_UUID(as_uuid=True))))


async def read(db: Db, run_id: UUID, after: int, page: int = _PAGE) -> list[Event]:
    """The first events of a run after number `after`: `page` rows of its log, or some more events."""
    wanted = [{"run_id": run_id.hex, "after": after}]
    rows = await db.run(_READ, {"wanted": wanted, "page": page})
    return [cut(event, after) for row in rows for event in _events(row) if event.seq > after]


def _events(row: Row[Any]) -> list[Event]:
    return parts(Event(row.run_id, row.first_seq, row.seq, row.type, row.data, row.at))


class Hub:
    """The logs that this process drives or has readers of, and who wants to hear of any news.

    All readers of a run share one feed, and all feeds share one query.
    """

    def __init__(self, db: Db) -> None:
        self._db: Final = db
        self._feeds: Final[dict[UUID, Feed]] = {}
        self._watchers: Final[dict[UUID, set[Watcher]]] = defaultdict(set)
        self._dirty: dict[UUID, None] = {}
        self._wake: Final = asyncio.Event()
        self._reading: Final = asyncio.Lock()
        self._closed = False

    async def follow(
        self, run_id: UUID, after: int, *, ended: bool, idle_seconds: float
    ) -> AsyncGenerator[list[Event]]:
        """Events of a run after number `after`, as they come, to the run's end.

        Where nothing came for `idle_seconds`, there is an empty list.
        `ended`: the run is known to be over, so that nothing is to be waited for.
        """
        if ended:
            # Which nobody else reads: a reader who is slow holds no more than this.
            while page := await read(self._db, run_id, after, _PAGE_OF_A_READER):
                yield page
                after = page[-1].seq
            return
        with self._reader_of(run_id) as feed:
            while True:
                news = feed.after(after)
                if news:
                    after = news[-1].seq
                    yield news
                elif feed.ended or feed.deleted or self._closed:
                    return
                elif not await feed.changed(idle_seconds):
                    yield []

    @contextmanager
    def _reader_of(self, run_id: UUID) -> Generator[Feed]:
        feed = self._feeds.get(run_id)
        if feed is None:
            feed = self._feeds[run_id] = Feed(run_id)
            self.look(run_id)
        feed.readers += 1
        try:
            yield feed
        finally:
            feed.readers -= 1
            self._release(feed)

    def _release(self, feed: Feed) -> None:
        """Forget the feed, unless somebody needs it."""
        if not feed.readers and not feed.attempt and self._feeds.get(feed.run_id) is feed:
            del self._feeds[feed.run_id]

    def let_go(self, log: RunLog) -> None:
        """Drive the run no more: its readers read on what the database says."""
        log.leave()
        self._release(log.feed)
        self.look(log.run_id)

    def close(self) -> None:
        """Let the readers go; they go on at another replica from where they are."""
        self._closed = True
        for feed in self._feeds.values():
            feed.wake()

    def begin(self, started: Event) -> Feed:
        """The feed of a new run that this process drives."""
        feed = self._feeds.setdefault(started.run_id, Feed(started.run_id))
        feed.attempt = 1
        feed.append((started,))
        return feed

    async def take_over(self, run_id: UUID, attempt: int) -> Feed:
        """The feed of a run that this process drives from now on, with what the database has of it.

        What an attempt of this very process has shown, but not written before it lost the run, is gone.
        """
        async with self._reading:
            events: list[Event] = []
            while page := await read(self._db, run_id, events[-1].seq if events else 0):
                events += page
            # Only now: if that fails, nobody is to be left with it who would have to forget it.
            feed = self._feeds.setdefault(run_id, Feed(run_id))
            feed.events = events
            feed.attempt = attempt
            feed.wake()
        return feed

    @contextmanager
    def watching(self, user_id: UUID, watcher: Watcher) -> Generator[None]:
        """Call `watcher` whenever there is something new in a run of the user's, on any replica."""
        self._watchers[user_id].add(watcher)
        try:
            yield
        finally:
            self._watchers[user_id].discard(watcher)
            if not self._watchers[user_id]:
                del self._watchers[user_id]

    def note(self, note: Note) -> None:
        """There is something new in a run's log."""
        self.look(note.run_id)
        for watcher in list(self._watchers.get(note.user_id, ())):
            watcher(note)

    def look(self, *run_ids: UUID) -> None:
        """Read what the database has of these runs; of all that are followed, where none is named."""
        wanted = run_ids or self._feeds.keys()
        self._dirty.update((run_id, None) for run_id in wanted if run_id in self._feeds)
        if self._dirty:
            self._wake.set()

    async def tail_forever(self) -> None:
        """Read on where there is news; now and then everywhere, in case that a word was lost."""
        time = asyncio.get_running_loop().time
        poll_at = time() + _POLL_EVERY
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(poll_at):
                    await self._wake.wait()
            self._wake.clear()
            try:
                if time() >= poll_at:
                    poll_at = time() + _POLL_EVERY
                    self.look()
                    await self._leave_deleted()
                await self._tail()
            except AWAY as error:
                _log.warning("log_not_read", reason=type(error).__name__)
                await asyncio.sleep(_PAUSE)
                self.look()

    async def _tail(self) -> None:
        run_ids, self._dirty = self._dirty, dict[UUID, None]()
        feeds = [feed for run_id in run_ids if (feed := self._feeds.get(run_id)) and not feed.attempt]
        if not feeds:
            return
        async with self._reading:
            wanted = [{"run_id": feed.run_id.hex, "after": feed.last} for feed in feeds]
            found: dict[UUID, list[Event]] = defaultdict(list)
            for row in await self._db.run(_READ, {"wanted": wanted, "page": _PAGE}):
                found[row.run_id] += _events(row)
            for feed in feeds:
                self._add(feed, found.get(feed.run_id, ()))

    async def _leave_deleted(self) -> None:
        """Let the readers go of runs that were deleted, for nothing will ever come of these."""
        if self._feeds:
            for row in await self._db.run(_DELETED, {"ids": list(self._feeds)}):
                feed = self._feeds.get(row.id)
                if feed is not None:
                    feed.deleted = True
                    feed.wake()

    def _add(self, feed: Feed, events: Sequence[Event]) -> None:
        if events and not feed.attempt:
            feed.append(events)
        if len(events) >= _PAGE:
            self.look(feed.run_id)
