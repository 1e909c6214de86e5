"""Lines of the log: what is in them stays in them, and none has no end."""

import json
import subprocess
import sys
from pathlib import Path

HOSTILE = "a\x1b[2Jb\u202ec\nforged"
PROGRAM = """
import logging, sys
import structlog
from kit.telemetry import set_up_logging
set_up_logging("INFO", sys.argv[1])
hostile, ours, theirs = sys.argv[2], structlog.get_logger("ours"), logging.getLogger("theirs")
for log in (ours, theirs):
    log.warning(hostile)
    try:
        raise ValueError(hostile)
    except ValueError:
        log.exception("failed")
ours.info("long", text="x" * 100_000, exception="first" + "y" * 100_000 + "last")
"""


def logged(form: str) -> list[str]:
    command = [sys.executable, "-c", PROGRAM, form, HOSTILE]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    return done.stderr.splitlines()


def test_a_line_for_people_has_nothing_that_a_terminal_obeys() -> None:
    lines = logged("pretty")
    assert all(line.isprintable() for line in lines)
    assert not [line for line in lines if line.startswith("forged")]
    assert len([line for line in lines if r"a\x1b[2Jb\u202ec\nforged" in line]) == 2
    assert len([line for line in lines if line == r"  ValueError: a\x1b[2Jb\u202ec"]) == 2


def test_a_line_for_programs_has_the_traceback_whoever_wrote_it() -> None:
    lines = [json.loads(line) for line in logged("json")]
    assert [line["event"] for line in lines] == [HOSTILE, "failed", HOSTILE, "failed", "long"]
    for line in (lines[1], lines[3]):
        assert line["exception"].endswith(f"ValueError: {HOSTILE}")


def test_what_is_very_long_is_cut_in_the_middle() -> None:
    line = json.loads(logged("json")[-1])
    assert len(line["text"]) < 2_100
    assert len(line["exception"]) < 20_100
    assert (line["exception"][:5], line["exception"][-4:]) == ("first", "last")
