"""Whether what tools did and what the answers say of it agree."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.chaos.clients import Turn
from tests.chaos.findings import Ran, Verdict
from tests.chat_api.replica import execute

__all__ = ["judge_effects"]

_TOOL = "add_todo"


def judge_effects(verdict: Verdict, url: str, turns: Sequence[Turn], runs: Mapping[str, Ran]) -> None:
    count: dict[str, int] = dict(execute(url, "SELECT title, count(*) FROM todos GROUP BY title"))
    for turn in turns:
        run = runs.get(turn.key)
        if turn.title is None or run is None or run.status not in {"completed", "cancelled"}:
            continue
        calls = [call for call in run.calls if call["tool"] == _TOOL]
        match count.get(turn.title, 0):
            case 0 | 1 as times:
                _judge_calls(verdict, f"{turn.message} ({run.id})", times, calls, run.status)
            case times:
                verdict.faults["doubled effects"].append(f"{turn.message} ({run.id}): {times} times")


def _judge_calls(
    verdict: Verdict, which: str, times: int, calls: Sequence[Mapping[str, Any]], status: str
) -> None:
    """`calls` are what the answer has of the tool; `times` is how often it had its effect, at most once."""
    failed = next((call["error"] for call in calls if call["error"]), None)
    match times, bool(calls):
        case 0, True if failed:
            verdict.told += 1
        case 0, False if status == "cancelled":
            pass
        case 0, _:
            verdict.faults["lost effects"].append(which)
        case _, False:
            verdict.faults["effects that nobody is told of"].append(which)
        case _ if failed and status == "completed":
            verdict.faults["effects told as failed"].append(f"{which}: {failed}")
        case _:
            pass
