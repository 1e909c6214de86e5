"""What the database says of the turns that were taken, once all is quiet."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from chat_api.runs.events import ATTEMPT, FINAL_TYPES
from chat_api.runs.lease import HEARTBEAT_SECONDS, LEASE_SECONDS
from tests.chaos.clients import Turn
from tests.chaos.effects import judge_effects
from tests.chaos.findings import Kept, Logged, Ran, Times, Verdict
from tests.chaos.kept import judge_kept
from tests.chaos.replica import PAUSES
from tests.chat_api.replica import execute

__all__ = ["judge", "settled", "watch_claims"]

_PATIENCE = 120.0
# Leases are looked at once a second after their end, and the reader is allowed another; a replica that takes
# its time does so at the claim and when it has read the log.
MOST_LATENCY = 12.0 + 2 * max(PAUSES)
_SHORTEST_LEASE = LEASE_SECONDS - HEARTBEAT_SECONDS
_NO_TIMES = Times()
_FINAL = {f"run.{status}": status for status in ("completed", "failed", "cancelled")}


def watch_claims(url: str) -> None:
    """Have the database keep which claims have met a cancel: those attempts know of it."""
    execute(url, "CREATE TABLE stopping (run_id uuid, attempt int)")
    execute(
        url,
        """
        CREATE FUNCTION note_claim() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO stopping VALUES (NEW.id, NEW.attempt); RETURN NULL; END $$
        """,
    )
    execute(
        url,
        """
        CREATE TRIGGER note_claim AFTER UPDATE OF attempt ON runs FOR EACH ROW
        WHEN (OLD.cancel_requested AND NEW.attempt > OLD.attempt) EXECUTE FUNCTION note_claim()
        """,
    )


async def settled(url: str) -> None:
    """Wait, not for ever, until no run is unfinished."""
    unfinished = "SELECT count(*) FROM runs WHERE status IN ('queued', 'running')"
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and (await asyncio.to_thread(execute, url, unfinished))[0][0]:  # noqa: ASYNC110
        await asyncio.sleep(0.5)


def judge(url: str, turns: Sequence[Turn], times: Times = _NO_TIMES, *, strict: bool = True) -> Verdict:
    """`strict`: how long takeovers took counts, too."""
    verdict = Verdict()
    runs = _runs(url)
    for turn in turns:
        run, before = runs.get(turn.key), turn.after and runs.get(turn.after.key)
        _judge_turn(verdict, turn, run)
        if run and before:
            _judge_order(verdict, before, run)
    for run in runs.values():
        verdict.runs += 1
        verdict.completed += run.status == "completed"
        verdict.cancelled += run.status == "cancelled"
        verdict.attempts += run.attempts
        _judge_log(verdict, run)
        if run.status in _FINAL.values():
            judge_kept(verdict, run)
        _measure(verdict, run, times)
    judge_effects(verdict, url, turns, runs)
    if strict and verdict.p99 > MOST_LATENCY:
        verdict.faults["late takeovers"].append(f"p99 {verdict.p99:.1f} s: {verdict.late}")
    found = "\n".join(fault for each in verdict.faults.values() for fault in each)
    verdict.suspects = [run for run in runs.values() if run.id in found]
    return verdict


def _runs(url: str) -> dict[str, Ran]:
    """All runs, by their keys."""
    logs: dict[Any, list[Logged]] = defaultdict(list)
    for row in execute(url, "SELECT run_id, first_seq, seq, type, data, at FROM events ORDER BY run_id, seq"):
        logs[row[0]].append(Logged(*row[1:]))
    answers = {
        row[0]: Kept(*row[1:])
        for row in execute(url, "SELECT run_id, content, tool_calls FROM messages WHERE role = 'assistant'")
    }
    stopping: dict[Any, set[int]] = defaultdict(set)
    for run_id, attempt in execute(url, "SELECT run_id, attempt FROM stopping"):
        stopping[run_id].add(attempt)
    columns = "idempotency_key, id, status, error ->> 'code', attempt, usage, model"
    runs: dict[str, Ran] = {}
    for key, which, status, code, attempt, usage, model in execute(url, f"SELECT {columns} FROM runs"):
        log, kept, stops = logs[which], answers.get(which), frozenset(stopping[which])
        runs[key] = Ran(str(which), status, code, attempt, usage, model, log, kept, stops)
    return runs


def _judge_turn(verdict: Verdict, turn: Turn, run: Ran | None) -> None:
    if run is None:
        if turn.acknowledged:
            verdict.faults["lost turns"].append(f"{turn.message}: no run")
        else:
            verdict.faults["turns never taken"].append(turn.message)
        return
    allowed = {"completed"} if turn.title else {"completed", "failed"}
    allowed |= {"cancelled"} if turn.way == "cancel" or turn.interrupted else set()
    if run.status not in allowed:
        verdict.faults["lost turns"].append(f"{turn.message} ({run.id}): {run.status} {run.code}")
    if turn.run_ids - {run.id}:
        verdict.faults["two runs of a key"].append(turn.message)
    if turn.text is not None:
        verdict.texts += 1
        if turn.text != run.text:
            verdict.faults["texts that differ"].append(
                f"{turn.message} ({run.id}, {run.status}): seen {turn.text!r}, kept {run.text!r}"
            )


def _judge_order(verdict: Verdict, before: Ran, run: Ran) -> None:
    """A turn begins once the one before it in its conversation is over."""
    began = next((row.at for row in run.log if row.type == "step.started"), None)
    if began is not None and began < before.log[-1].at:
        verdict.faults["turns out of order"].append(f"{run.id} begins before the end of {before.id}")


def _judge_log(verdict: Verdict, run: Ran) -> None:
    ends = [row for row in run.log if row.type in FINAL_TYPES]
    if len(ends) != 1 or run.log[-1] is not ends[0] or _FINAL[ends[0].type] != run.status:
        verdict.faults["ends"].append(f"{run.id} is {run.status}; {[(row.seq, row.type) for row in ends]}")
    expected = 1
    begun: datetime | None = None
    for row in reversed(run.log):
        if begun is not None and row.at > begun:
            verdict.faults["late writes"].append(f"{run.id} at {row.seq}")
            break
        begun = row.at if row.type == "attempt" else begun
    for row in run.log:
        if row.first != expected and row.first != row.first // ATTEMPT * ATTEMPT + 1:
            verdict.faults["gaps"].append(f"{run.id}: {row.first} after {expected - 1}")
        expected = row.seq + 1


def _measure(verdict: Verdict, run: Ran, times: Times) -> None:
    """Takeovers, from the first death of a replica after the last event of the attempt before, or from that.

    So it is never less than from its driver's death. Left out are those of more than one attempt at once,
    and those where no replica could serve once the lease might have ended.
    """
    for before, row in pairwise(run.log):
        if row.type != "attempt":
            continue
        since, until = before.at.timestamp(), row.at.timestamp()
        alive = next((alive for alive, dead in sorted(times.deaths) if since <= dead < until), since)
        since = max(since, alive)
        # What has waited in line was claimed some time after it was sent.
        waited = before.type == "run.started" and before.data["position"] > 0
        skipped = waited or row.attempt - before.attempt > 1
        if skipped or any(
            began < until and since + _SHORTEST_LEASE < ended for began, ended in times.outages
        ):
            verdict.unmeasured += 1
        else:
            verdict.latencies.append(until - since)
            if until - since > MOST_LATENCY:
                verdict.late.append(run.id)
