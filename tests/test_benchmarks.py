"""The benchmarks run; what they measure is not judged here, where the machine is shared."""

import os
import subprocess
import sys


def test_the_turn_benchmark_compares_both_kinds_of_turn() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.turn"],
        env={**os.environ, "ROUNDS": "1", "TURNS": "2"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    for words in ("new", "tool", "bare Runner.run", "budget"):
        assert words in done.stdout
