"""What the database says of the turns that were taken, once all is quiet."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from math import ceil
from typing import Any, TypeAlias

from chat_api.runs.events import ATTEMPT, DELTA, FINAL_TYPES
from chat_api.runs.lease import HEARTBEAT_SECONDS, LEASE_SECONDS
from tests.chaos.clients import Turn
from tests.chat_api.replica import execute

__all__ = ["Verdict", "judge", "settled"]

_PATIENCE = 120.0
# Leases are looked at once a second after their end, and the reader is allowed another.
MOST_LATENCY = 12.0
_SHORTEST_LEASE = LEASE_SECONDS - HEARTBEAT_SECONDS
_FINAL = {f"run.{status}": status for status in ("completed", "failed", "cancelled")}
Span: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Times:
    """When no replica could serve, and when one died: between a last sign of life and the news of its end."""

    outages: Sequence[Span] = ()
    deaths: Sequence[Span] = ()


@dataclass(frozen=True, slots=True)
class Logged:
    """A row of a run's log."""

    first: int
    seq: int
    type: str
    data: dict[str, Any]
    at: datetime


@dataclass
class Verdict:
    """`faults` are sentences, by their kind. `latencies` are seconds from a death to a takeover.

    `told` are tool calls that had no effect, which the model was told.
    """

    runs: int = 0
    completed: int = 0
    attempts: int = 0
    texts: int = 0
    told: int = 0
    unmeasured: int = 0
    faults: dict[str, list[str]] = field(default_factory=lambda: defaultdict[str, list[str]](list))
    latencies: list[float] = field(default_factory=list[float])

    @property
    def p99(self) -> float:
        found = sorted(self.latencies)
        return found[ceil(len(found) * 0.99) - 1] if found else 0.0


async def settled(url: str) -> None:
    """Wait, not for ever, until no run is unfinished."""
    unfinished = "SELECT count(*) FROM runs WHERE status IN ('queued', 'running')"
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and (await asyncio.to_thread(execute, url, unfinished))[0][0]:  # noqa: ASYNC110
        await asyncio.sleep(0.5)


def judge(url: str, turns: Sequence[Turn], times: Times = Times(), *, strict: bool = True) -> Verdict:
    """`strict`: how long takeovers took counts, too."""
    verdict = Verdict()
    logs = _logs(url)
    runs = {
        row[0]: row for row in execute(url, "SELECT idempotency_key, id, status, error, attempt FROM runs")
    }
    answers = dict(execute(url, "SELECT run_id, content FROM messages WHERE role = 'assistant'"))
    for turn in turns:
        _judge_turn(verdict, turn, runs.get(turn.key), answers)
    for _, run_id, status, _, attempt in runs.values():
        verdict.runs += 1
        verdict.completed += status == "completed"
        verdict.attempts += attempt
        _judge_log(verdict, str(run_id), status, logs[run_id], answers.get(run_id))
        _measure(verdict, logs[run_id], times)
    _judge_effects(verdict, url, turns, logs, runs)
    if strict and verdict.p99 > MOST_LATENCY:
        verdict.faults["late takeovers"].append(f"p99 {verdict.p99:.1f} s")
    return verdict


def _logs(url: str) -> dict[Any, list[Logged]]:
    logs: dict[Any, list[Logged]] = defaultdict(list)
    for row in execute(url, "SELECT run_id, first_seq, seq, type, data, at FROM events ORDER BY run_id, seq"):
        logs[row[0]].append(Logged(*row[1:]))
    return logs


def _judge_turn(verdict: Verdict, turn: Turn, run: tuple[Any, ...] | None, answers: dict[Any, str]) -> None:
    if run is None:
        if turn.acknowledged:
            verdict.faults["lost turns"].append(f"{turn.message}: no run")
        else:
            verdict.faults["turns never taken"].append(turn.message)
        return
    _, run_id, status, error, _ = run
    allowed = {"completed"} if turn.title else {"completed", "failed"}
    if status not in allowed:
        verdict.faults["lost turns"].append(f"{turn.message}: {status} {error and error['code']}")
    if turn.run_ids - {str(run_id)}:
        verdict.faults["two runs of a key"].append(turn.message)
    if turn.text is not None and status == "completed":
        verdict.texts += 1
        if turn.text != answers.get(run_id):
            verdict.faults["texts that differ"].append(
                f"{turn.message}: seen {turn.text!r}, kept {answers.get(run_id)!r}"
            )


def _judge_log(verdict: Verdict, run_id: str, status: str, log: list[Logged], answer: str | None) -> None:
    ends = [row for row in log if row.type in FINAL_TYPES]
    if len(ends) != 1 or log[-1] is not ends[0] or _FINAL[ends[0].type] != status:
        verdict.faults["ends"].append(f"{run_id} is {status}; {[(row.seq, row.type) for row in ends]}")
    expected = 1
    begun: datetime | None = None
    for row in reversed(log):
        if begun is not None and row.at > begun:
            verdict.faults["late writes"].append(f"{run_id} at {row.seq}")
            break
        begun = row.at if row.type == "attempt" else begun
    for row in log:
        if row.first != expected and row.first != row.first // ATTEMPT * ATTEMPT + 1:
            verdict.faults["gaps"].append(f"{run_id}: {row.first} after {expected - 1}")
        expected = row.seq + 1
    if status == "completed" and _text_of(log) != answer:
        verdict.faults["texts that differ"].append(f"{run_id}: log {_text_of(log)!r}, kept {answer!r}")


def _text_of(log: list[Logged]) -> str:
    said: list[str] = []
    for row in log:
        if row.type == "attempt":
            said = [row.data["text"]]
        elif row.type == DELTA:
            said.append(row.data["text"])
    return "".join(said)


def _measure(verdict: Verdict, log: list[Logged], times: Times) -> None:
    """Takeovers, from the first death of a replica after the last event of the attempt before, or from that.

    So it is never less than from its driver's death. Left out are those of more than one attempt at once,
    and those where no replica could serve once the lease might have ended.
    """
    for before, row in pairwise(log):
        if row.type != "attempt":
            continue
        since, until = before.at.timestamp(), row.at.timestamp()
        alive = next((alive for alive, dead in sorted(times.deaths) if since <= dead < until), since)
        since = max(since, alive)
        skipped = row.seq // ATTEMPT - max(1, before.seq // ATTEMPT) > 1
        if skipped or any(
            began < until and since + _SHORTEST_LEASE < ended for began, ended in times.outages
        ):
            verdict.unmeasured += 1
        else:
            verdict.latencies.append(until - since)


def _judge_effects(
    verdict: Verdict,
    url: str,
    turns: Sequence[Turn],
    logs: dict[Any, list[Logged]],
    runs: dict[str, tuple[Any, ...]],
) -> None:
    count: dict[str, int] = dict(execute(url, "SELECT title, count(*) FROM todos GROUP BY title"))
    for turn in turns:
        run = runs.get(turn.key)
        if turn.title is None or run is None or run[2] != "completed":
            continue
        match count.get(turn.title, 0):
            case 0 if _told(logs[run[1]]):
                verdict.told += 1
            case 0:
                verdict.faults["lost effects"].append(turn.message)
            case 1 if error := _told(logs[run[1]]):
                verdict.faults["effects told as failed"].append(f"{turn.message}: {error}")
            case 1:
                pass
            case times:
                verdict.faults["doubled effects"].append(f"{turn.message}: {times} times")


def _told(log: list[Logged]) -> str | None:
    """What the model was told where its call of the tool did not work."""
    ended = [row for row in log if row.type == "step.finished" and row.data["kind"] == "tool"]
    return next((row.data["error"] for row in ended if row.data["error"]), None)
