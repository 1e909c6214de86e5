"""Whether an answer has all that its run's log tells of: text, calls, tokens; whatever ended it."""

from itertools import groupby
from typing import Any

from tests.chaos.findings import Ran, Verdict, text_of

__all__ = ["judge_kept"]

_FIRST = frozenset({"attempt", "step.updated"})


def judge_kept(verdict: Verdict, run: Ran) -> None:
    """Judge a run that is over."""
    _judge_attempts(verdict, run)
    seen = text_of(run.log)
    if seen != run.text:
        verdict.faults["texts that differ"].append(f"{run.id}: log {seen!r}, kept {run.text!r}")
    ended = {row.data["step_id"]: row.data for row in run.log if row.type == "step.finished"}
    begun = {row.data["step_id"] for row in run.log if row.type == "step.started"}
    if begun - ended.keys():
        verdict.faults["steps without an end"].append(f"{run.id} ({run.status}): {begun - ended.keys()}")
    called = [data for data in ended.values() if data["kind"] == "tool"]
    logged = sorted(_shown(data["name"], data["arguments"], data) for data in called)
    kept = sorted(_shown(call["tool"], call["args"], call) for call in run.calls)
    if logged != kept:
        verdict.faults["calls that differ"].append(f"{run.id} ({run.status}): log {logged}, kept {kept}")
    _judge_usage(verdict, run)
    for call in run.calls:
        if call["error"] and "no such tool" in call["error"]:
            verdict.faults["tools that were missed"].append(f"{run.id}: {call['tool']}")


def _judge_attempts(verdict: Verdict, run: Ran) -> None:
    """Each begins with what stands; one that only ends the run takes nothing back, and does nothing."""
    verdict.stopped_elsewhere += run.status == "cancelled" and run.log[-1].attempt > 1
    for attempt, rows in groupby(run.log, key=lambda row: row.attempt):
        first, *others = rows
        if attempt > 1 and first.type not in _FIRST:
            verdict.faults["attempts that forget"].append(f"{run.id}: {attempt} begins with {first.type}")
        if attempt in run.stopping and first.type == "attempt":
            before = text_of([row for row in run.log if row.seq < first.seq])
            if before != first.data["text"]:
                verdict.faults["cancels that take back"].append(
                    f"{run.id}: {before!r}, then {first.data['text']!r}"
                )
            if any(row.type == "step.started" for row in others):
                verdict.faults["cancels that go on"].append(f"{run.id}: in attempt {attempt}")


def _judge_usage(verdict: Verdict, run: Ran) -> None:
    told = run.log[-1].data.get("usage")
    if told != run.usage:
        verdict.faults["usage that differs"].append(f"{run.id}: told {told}, kept {run.usage}")
    # Those that were made anew by the next attempt were paid for, too.
    ended = [row.data for row in run.log if row.type == "step.finished"]
    paid = [data for data in ended if "input_tokens" in data]
    found = (len(paid), sum(data["input_tokens"] + data["output_tokens"] for data in paid))
    usage = run.usage or {"requests": 0, "total_tokens": 0}
    if found != (usage["requests"], usage["total_tokens"]):
        verdict.faults["usage that differs"].append(f"{run.id} ({run.status}): log {found}, kept {usage}")
    if paid and run.model is None:
        verdict.faults["tokens of no model"].append(f"{run.id} ({run.status}): {run.usage}")


def _shown(name: str, arguments: Any, outcome: dict[str, Any]) -> str:
    return repr((name, arguments, outcome.get("result"), outcome.get("error")))
