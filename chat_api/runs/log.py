"""Appending to the logs of the runs that this process drives.

An append names the attempt that it is of and the row that it comes after. The first keeps out a process that
has lost the run; the second notices that rows have been lost, which a crash of Postgres may do to those that
were committed without waiting for the disk, so that they are sent again.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import Text

from chat_api.runs.errors import LeaseLost
from chat_api.runs.events import ATTEMPT, Event, Row, to_rows
from chat_api.runs.feed import Feed
from chat_api.runs.signals import Note, Work, payloads
from kit.postgres import Db
from kit.postgres.errors import AWAY
from kit.postgres.tables import now

__all__ = ["INSERT_ROWS", "Log", "RunLog"]

_FLUSH_AFTER: Final = 0.05
_PAUSE: Final = 0.2
_PATIENCE: Final = 15.0
_log = structlog.get_logger(__name__)

INSERT_ROWS: Final = """
    INSERT INTO events (run_id, seq, first_seq, user_id, type, data, at)
    SELECT e.run_id, e.seq, e.first_seq, fenced.user_id, e.type, e.data, e.at
    FROM jsonb_to_recordset(:rows) AS e
        (run_id uuid, seq bigint, first_seq bigint, type text, data jsonb, at timestamptz)
    JOIN fenced ON fenced.id = e.run_id
"""
_APPEND: Final = text(
    f"""
    WITH batch AS (
        SELECT * FROM jsonb_to_recordset(:batch) AS b (run_id uuid, attempt int, last bigint)
    ), held AS (
        SELECT runs.id, runs.user_id,
            EXISTS (SELECT FROM events WHERE events.run_id = runs.id AND events.seq = batch.last) AS whole
        FROM runs JOIN batch ON batch.run_id = runs.id AND batch.attempt = runs.attempt
        WHERE runs.status = 'running'
        ORDER BY runs.id FOR SHARE OF runs
    ), fenced AS (
        SELECT id, user_id FROM held WHERE whole
    ), added AS (
        {INSERT_ROWS} ON CONFLICT DO NOTHING
    ), told AS (
        SELECT count(pg_notify('turnlog', note)) AS notes FROM unnest(:notes) AS note
    )
    SELECT held.id, held.whole FROM told
    CROSS JOIN set_config('synchronous_commit', CASE WHEN :durable THEN 'on' ELSE 'off' END, true)
    LEFT JOIN held ON true
    """  # noqa: S608
).bindparams(
    bindparam("batch", type_=JSONB), bindparam("rows", type_=JSONB), bindparam("notes", type_=ARRAY(Text))
)


class RunLog:
    """The log of one attempt at a run. Numbers go on from what the attempt begins with.

    `sent` are rows since the last durable one, of which the first `confirmed` are in the database.
    """

    def __init__(self, feed: Feed, attempt: int, last: int, note: Note) -> None:
        """`last` is the number of the newest row in the database."""
        self.feed: Final = feed
        self.attempt: Final = attempt
        self.note: Final = note
        self.lock: Final = asyncio.Lock()
        self.lost = False
        self.sent: list[Row] = []
        self.confirmed = 0
        self._durable = last
        self._seq = attempt * ATTEMPT
        self._fresh: list[Event] = []

    @property
    def run_id(self) -> UUID:
        return self.feed.run_id

    @property
    def last(self) -> int:
        """The number of the newest row that the database has confirmed."""
        return self.sent[self.confirmed - 1].seq if self.confirmed else self._durable

    @property
    def has_news(self) -> bool:
        return bool(self._fresh) or self.confirmed < len(self.sent)

    def make(self, type_: str, data: dict[str, Any]) -> Event:
        """The next event. Nobody sees it yet."""
        self._seq += 1
        return Event(self.run_id, self._seq, self._seq, type_, data, now())

    def add(self, event: Event) -> None:
        """Show the event to the readers of this process, and have it written."""
        self._fresh.append(event)
        self.feed.append((event,))

    def take(self, *further: Event) -> list[dict[str, Any]]:
        """The rows that are to be written now, with those of `further` events.

        What was sent once is sent again as the same rows, never put together anew.
        """
        self.sent += to_rows([*self._fresh, *further])
        self._fresh.clear()
        return [row.value for row in self.sent[self.confirmed :]]

    def confirm(self, *, durable: bool) -> None:
        """All rows that were taken are in the database."""
        self.confirmed = len(self.sent)
        if durable and self.sent:
            self._durable = self.sent[-1].seq
            self.sent.clear()
            self.confirmed = 0

    def rewind(self) -> None:
        """The database has lost what it did not promise to keep."""
        self.confirmed = 0

    def lose(self) -> None:
        """Another attempt has the run: nothing more is to be written, and its readers read the database."""
        self.lost = True
        self.take()
        self.confirm(durable=True)
        self.leave()

    def leave(self) -> None:
        """Drive the run no more."""
        if self.feed.attempt == self.attempt:
            self.feed.attempt = 0
            self.feed.wake()


class Log:
    """Writes what was added to the logs: deltas of all runs together and often, steps at once."""

    def __init__(self, db: Db) -> None:
        self._db: Final = db
        self._dirty: dict[UUID, RunLog] = {}
        # In the order in which they came, and once each.
        self._notes: dict[Note | Work, None] = {}
        self._wake: Final = asyncio.Event()

    def add(self, log: RunLog, type_: str, data: dict[str, Any]) -> Event:
        """Append an event, which is written within a moment."""
        event = log.make(type_, data)
        log.add(event)
        self._dirty[log.run_id] = log
        self._wake.set()
        return event

    def tell(self, *notes: Note | Work) -> None:
        """Tell all replicas, within a moment."""
        self._notes.update(dict.fromkeys(notes))
        self._wake.set()

    async def commit(self, log: RunLog) -> None:
        """Write all that was added to `log`, and wait until it is on disk.

        Raises LeaseLost where the run has gone to another attempt, or the database is away for too long.
        """
        try:
            async with asyncio.timeout(_PATIENCE), log.lock:
                # Of what a flush has written meanwhile nobody knows that it is on disk.
                while log.has_news or log.sent:
                    await self._try_to_write([log])
        except TimeoutError as error:
            raise LeaseLost from error
        if log.lost:
            raise LeaseLost
        self.tell(log.note)

    async def _try_to_write(self, logs: Sequence[RunLog]) -> None:
        try:
            await self._write(logs, (), durable=True)
        except AWAY as error:
            _log.warning("log_not_written", reason=type(error).__name__)
            await asyncio.sleep(_PAUSE)

    async def flush_forever(self) -> None:
        """Write what was added, without waiting for the disk, and tell the replicas."""
        while True:
            await self._wake.wait()
            # A short turn ends meanwhile, and needs no writing of its own.
            await asyncio.sleep(_FLUSH_AFTER)
            if not await self.flush():
                await asyncio.sleep(_PAUSE)

    async def flush(self) -> bool:
        """Write what was added so far. Returns whether the database took it; if not, it is tried again."""
        self._wake.clear()
        dirty, self._dirty = self._dirty, {}
        notes, self._notes = self._notes, dict[Note | Work, None]()
        # A log that is being written has its new events written with the next flush, or by who writes it.
        free = [log for log in dirty.values() if not log.lock.locked()]
        for log in free:
            await log.lock.acquire()
        written = False
        try:
            told = notes | dict.fromkeys(log.note for log in dirty.values())
            await self._write([log for log in free if log.has_news], payloads(told), durable=False)
            written = True
        except AWAY as error:
            _log.warning("log_not_flushed", reason=type(error).__name__)
        finally:
            if not written:
                self._notes = notes | self._notes
            self._again(log for log in dirty.values() if log.has_news or not written)
            for log in free:
                log.lock.release()
        return written

    def _again(self, logs: Iterable[RunLog]) -> None:
        for log in logs:
            if not log.lost:
                self._dirty.setdefault(log.run_id, log)
        if self._dirty or self._notes:
            self._wake.set()

    async def _write(self, logs: Sequence[RunLog], notes: Sequence[str], *, durable: bool) -> None:
        if not logs and not notes:
            return
        rows = [row for log in logs for row in log.take()]
        batch = [{"run_id": log.run_id.hex, "attempt": log.attempt, "last": log.last} for log in logs]
        parameters = {"batch": batch, "rows": rows, "notes": list(notes), "durable": durable}
        held: dict[UUID, bool] = {
            row.id: row.whole for row in await self._db.run(_APPEND, parameters) if row.id is not None
        }
        for log in logs:
            match held.get(log.run_id):
                case True:
                    log.confirm(durable=durable)
                case False:
                    log.rewind()
                case None:
                    log.lose()
