"""`make chaos TURNS=10000 KILLS=900 SEED=…`: prints what was done, and the verdict; 1 on any fault."""

import asyncio
import json
import os
import secrets
import statistics
import sys
import time
from collections import Counter

from tests.chaos.run import Trial, try_out

_SHOWN = 5
_WIDTH = 400


def main() -> int:
    turns, kills = int(os.environ.get("TURNS") or 500), int(os.environ.get("KILLS") or 60)
    seed = int(os.environ.get("SEED") or secrets.randbelow(10**6))
    print(f"{turns} turns, {kills} kills, seed {seed}", flush=True)
    began = time.monotonic()
    # A turn that is taken over takes a lease's time, which in a long trial must not hold up the others.
    at_once = max(16, turns // 200)
    trial = asyncio.run(try_out(turns, kills, seed, spare=os.environ.get("SPARE", ""), at_once=at_once))
    show(trial, time.monotonic() - began)
    return 1 if trial.verdict.faults else 0


def show(trial: Trial, seconds: float) -> None:
    verdict = trial.verdict
    ways = Counter(turn.way for turn in trial.turns)
    rows: dict[str, object] = {
        "seconds": round(seconds),
        **{f"turns sent {way}": count for way, count in sorted(ways.items())},
        "turns after another": sum(turn.after is not None for turn in trial.turns),
        "requests repeated": sum(turn.sent - 1 for turn in trial.turns),
        "streams asked for again": sum(turn.resumed for turn in trial.turns),
        **dict(sorted(trial.done.items())),
        "runs": verdict.runs,
        "runs completed": verdict.completed,
        "runs cancelled": verdict.cancelled,
        "of these by another attempt": verdict.stopped_elsewhere,
        "attempts": verdict.attempts,
        "texts compared": verdict.texts,
        "effects failed, as told": verdict.told,
        "takeovers measured": len(verdict.latencies),
        "takeovers left out": verdict.unmeasured,
        "takeover median, seconds": round(statistics.median(verdict.latencies or [0]), 1),
        "takeover p99, seconds": round(verdict.p99, 1),
        "takeover longest, seconds": round(max(verdict.latencies, default=0), 1),
    }
    for name, value in rows.items():
        print(f"{name:<28}{value:>8}")
    for kind, found in verdict.faults.items():
        print(f"FAULT {kind}: {len(found)}")
        for each in found[:_SHOWN]:
            print(f"    {each}")
    for run in verdict.suspects[:_SHOWN]:
        print(
            f"{run.id} {run.status}, {run.usage}, {run.kept}, cancelled before attempts {set(run.stopping)}"
        )
        for row in run.log:
            print(f"    {row.at:%H:%M:%S.%f} {row.seq:>12} {row.type} {json.dumps(row.data)[:_WIDTH]}")
    print("FAULTS" if verdict.faults else "NO FAULTS")


if __name__ == "__main__":
    sys.exit(main())
