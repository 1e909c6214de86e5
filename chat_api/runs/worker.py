"""The process as a driver of runs: claims them, keeps their leases, stops them, hands them over."""

import asyncio
import time
from collections.abc import AsyncGenerator, Collection, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from traceback import format_exception
from typing import Any, Final, TypeVar
from uuid import UUID

import structlog
from sqlalchemy.exc import IntegrityError
from structlog.contextvars import bind_contextvars

from chat_api.runs.conclude import End, conclude
from chat_api.runs.driving import Drive, ending_of
from chat_api.runs.errors import LeaseLost
from chat_api.runs.events import Event
from chat_api.runs.hub import Hub
from chat_api.runs.journal import Journal
from chat_api.runs.lease import HEARTBEAT_SECONDS, Claim, claim, hand_over, renew
from chat_api.runs.log import Log, RunLog
from chat_api.runs.signals import Cancel, Note, Work, parse
from chat_api.runs.turn import Live, TurnDeps
from chat_api.runs.upkeep import clear_forever
from kit.ids import new_id
from kit.jobs import Job, background
from kit.postgres.errors import AWAY, violated

__all__ = ["Drive", "Worker"]

_REAP_EVERY: Final = 1.0
_GRACE: Final = 3.0
# After which the others that an outage cut off listen again, too.
_SETTLED: Final = 2.0
_log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Claimed:
    """A run that is claimed and not driven yet, and whether it was cancelled meanwhile."""

    task: "asyncio.Task[None]" = field(init=False)
    cancelled: bool = False


class Worker:
    """`id` names this process in leases; `drives` are the runs that it drives."""

    def __init__(self, deps: TurnDeps, hub: Hub, log: Log, *, most_live: int, fold_after: float) -> None:
        self.id: Final = new_id()
        self.deps: Final = deps
        self.hub: Final = hub
        self.log: Final = log
        self.drives: Final[dict[UUID, Drive]] = {}
        self.stopping = False
        self._starts: Final[set[asyncio.Task[Any]]] = set()
        self._claimed: Final[dict[UUID, _Claimed]] = {}
        self._claiming: Final = asyncio.Lock()
        self._most_live: Final = most_live
        self._fold_after: Final = fold_after
        self._work: Final = asyncio.Event()
        self._listening_since: float | None = None

    @property
    def room(self) -> int:
        """How many more runs this process may drive."""
        taken = len(self.drives) + len(self._starts) + len(self._claimed)
        return 0 if self.stopping else max(0, self._most_live - taken)

    @asynccontextmanager
    async def running(self, *also: Job) -> AsyncGenerator[None]:
        """Do all that goes on in the background while the context is open, and what is to go on `also`."""
        own = (
            self.log.flush_forever,
            self.hub.tail_forever,
            self._renew_forever,
            self._claim_forever,
            partial(clear_forever, self.deps, self._fold_after),
        )
        async with background(*own, *also):
            try:
                yield
            finally:
                await self.hand_over()

    def heard(self, payload: str) -> None:
        """Act on what a replica has told."""
        for signal in parse(payload):
            match signal:
                case Note():
                    self.hub.note(signal)
                case Cancel(run_id):
                    self.cancel(run_id)
                case Work():
                    self.look_for_work()

    async def listening(self) -> None:
        """Look everywhere: what was told before may have been missed."""
        self._listening_since = time.monotonic()
        self.hub.look()
        self.look_for_work()

    def look_for_work(self) -> None:
        self._work.set()

    async def has_room(self) -> bool:
        """Whether one more may begin at once; known when no claim is under way, which takes some of it."""
        async with self._claiming:
            return self.room > 0

    async def hold(self, start: Coroutine[Any, Any, T]) -> T:
        """Take a turn to where it is driven, even if who asked for it leaves."""
        task = asyncio.create_task(start)
        self._starts.add(task)
        task.add_done_callback(self._held)
        return await asyncio.shield(task)

    def _held(self, task: asyncio.Task[Any]) -> None:
        self._starts.discard(task)
        if not task.cancelled():
            # Whoever waits for it hears of it; that nobody does is no fault.
            task.exception()

    def begin(self, turn: Claim, event: Event) -> Drive:
        """Drive a run that was acknowledged with this process as its driver."""
        note = Note(turn.user_id, turn.conversation_id, turn.run_id)
        log = RunLog(self.hub.begin(event), turn.attempt, event.seq, note)
        self.hub.note(note)
        self.log.tell(note)
        return self._start(Live(turn, log, Journal(self.log, log)))

    def cancel(self, run_id: UUID) -> None:
        """Stop the run, if it is driven here: what was said so far is kept."""
        drive = self.drives.get(run_id)
        if drive is not None:
            drive.stop("cancel")
        if run_id in self._claimed:
            self._claimed[run_id].cancelled = True

    def _start(self, live: Live) -> Drive:
        drive = Drive(live)
        self.drives[live.turn.run_id] = drive
        drive.task = asyncio.create_task(self._drive(drive))
        drive.task.add_done_callback(lambda _: self._done(drive))
        return drive

    def _done(self, drive: Drive) -> None:
        run_id = drive.live.turn.run_id
        if not self.room:
            self.look_for_work()
        if self.drives.get(run_id) is drive:
            del self.drives[run_id]
        self.hub.let_go(drive.live.log)

    async def _drive(self, drive: Drive) -> End | None:
        turn = drive.live.turn
        bind_contextvars(run_id=str(turn.run_id), user_id=str(turn.user_id))
        try:
            ending = await ending_of(self.deps, drive)
            drive.ending = True
            return await self._conclude(drive.live, *ending) if ending else None
        except LeaseLost:
            drive.live.log.lose()
        except Exception as error:  # noqa: BLE001
            # No bad row may keep those of other runs from being written. This run is tried again.
            _log.error("end_not_kept", exception="".join(format_exception(error)))
            drive.live.log.lose()
        return None

    async def _conclude(self, live: Live, end: End, last: dict[str, Any]) -> End:
        events, more = await conclude(self.deps.db, live.turn, live.log, end, last)
        live.log.feed.append(events)
        self.log.tell(live.log.note)
        if more:
            self.log.tell(Work())
            self.look_for_work()
        if self.deps.titles and live.answering:
            self.deps.titles.consider(live.turn, live.answering.chosen, end)
        return end

    async def _claim_forever(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_REAP_EVERY):
                    await self._work.wait()
            self._work.clear()
            if self.room:
                await self._claim()

    async def _claim(self) -> None:
        try:
            async with self._claiming:
                for turn in await claim(self.deps.db, self.id, room=self.room, early=self._settled()):
                    before = self._claimed.get(turn.run_id)
                    claimed = self._claimed[turn.run_id] = _Claimed()
                    # Each by itself: one may have to wait for what this process still does with it.
                    claimed.task = asyncio.create_task(self._take_over(turn, claimed, before))
        except IntegrityError as error:
            # A new turn of the conversation came between; the one that waits is next.
            _log.info("claim_again", constraint=violated(error))
        except AWAY as error:
            _log.warning("nothing_claimed", reason=type(error).__name__)

    def _settled(self) -> bool:
        since = self._listening_since
        return since is not None and time.monotonic() - since > _SETTLED

    async def _take_over(self, turn: Claim, claimed: _Claimed, before: _Claimed | None) -> None:
        try:
            if before is not None:
                await asyncio.wait([before.task])
            own = self.drives.get(turn.run_id)
            if own is not None:
                # This process itself was too late with its lease.
                own.stop("lost")
                await asyncio.wait([own.task])
            if self._claimed.get(turn.run_id) is not claimed:
                return
            feed = await self.hub.take_over(turn.run_id, turn.attempt)
            note = Note(turn.user_id, turn.conversation_id, turn.run_id)
            log = RunLog(feed, turn.attempt, feed.last, note)
            drive = self._start(Live(turn, log, Journal(self.log, log), before=list(feed.events)))
            if claimed.cancelled:
                drive.stop("cancel")
        except AWAY as error:
            _log.warning("not_taken_over", run_id=str(turn.run_id), reason=type(error).__name__)
        finally:
            if self._claimed.get(turn.run_id) is claimed:
                del self._claimed[turn.run_id]

    async def _renew_forever(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            if self.drives or self._claimed:
                await self._renew()

    async def _renew(self) -> None:
        drives = dict(self.drives)
        try:
            renewed = await renew(self.deps.db, self.id, [*drives, *self._claimed])
        except AWAY as error:
            _log.warning("leases_not_renewed", reason=type(error).__name__)
            return
        for run_id, drive in drives.items():
            renewal = renewed.get(run_id)
            if renewal is None or renewal.attempt != drive.live.turn.attempt:
                drive.stop("lost")
            elif renewal.cancel_requested:
                drive.stop("cancel")

    async def hand_over(self) -> None:
        """Claim nothing more, give the live runs a moment to end, and let other replicas have the rest."""
        self.stopping = True
        await self._settle()
        if self.drives:
            await asyncio.wait([drive.task for drive in self.drives.values()], timeout=_GRACE)
        claimed, late = dict(self._claimed), list(self.drives.values())
        for each in claimed.values():
            each.task.cancel()
        for drive in late:
            drive.stop("hand over")
        if late or claimed:
            await asyncio.wait([each.task for each in (*late, *claimed.values())])
            await self._release([*claimed, *(drive.live.turn.run_id for drive in late)])
        self.hub.close()

    async def _settle(self) -> None:
        """Let what is about to begin do so, for a moment."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE):
                async with self._claiming:
                    pass
                tasks = [*self._starts, *(claimed.task for claimed in self._claimed.values())]
                if tasks:
                    await asyncio.wait(tasks)

    async def _release(self, run_ids: Collection[UUID]) -> None:
        with suppress(*AWAY):
            await self.log.flush()
            await hand_over(self.deps.db, self.id, run_ids)
