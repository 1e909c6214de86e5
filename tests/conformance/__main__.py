"""`make conformance`: the official conformance suite against the tool server, in both protocol eras."""

import atexit
import sys
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Final

from kit.postgres import embedded_url, migrate
from tests.conformance.judging import Verdict, expected_of, judge
from tests.conformance.node import VERSION, Suite, fetch
from tests.conformance.running import Kind, run_suite, server_process

_REVISIONS: Final = ("2026-07-28", "2025-11-25")
_KINDS: Final[tuple[Kind, ...]] = ("fixtures", "product")
_NAMES: Final = {"fixtures": "with fixtures", "product": "as it is"}


def main() -> int:
    suite = fetch()
    rows: list[tuple[str, ...]] = []
    faults = 0
    folder = mkdtemp()
    # What is registered last runs first: the database is stopped by then.
    atexit.register(rmtree, folder, ignore_errors=True)
    database = embedded_url(Path(folder))
    migrate(database)
    for kind in _KINDS:
        for revision in _REVISIONS:
            verdicts = _run(suite, kind, database, revision)
            faults += sum(verdict.fault for verdict in verdicts)
            rows.append(_row(kind, revision, verdicts))
    print(f"\nConformance suite {VERSION}")
    for row in [
        (
            "server",
            "requirements",
            "required pass",
            "others pass",
            "nothing tested",
            "known to fail",
            "faults",
        ),
        *rows,
    ]:
        print("  ".join(cell.ljust(14) for cell in row).rstrip())
    return 1 if faults else 0


def _run(suite: Suite, kind: Kind, database: str, revision: str) -> list[Verdict]:
    with server_process(kind, database) as url:
        found = run_suite(suite, url, revision)
    verdicts = judge(found, suite.required(revision), expected_of(kind, revision))
    print(f"\nThe server {_NAMES[kind]}, {revision}")
    for verdict in verdicts:
        mark = (
            "FAULT"
            if verdict.fault
            else "known"
            if not verdict.passed
            else "empty"
            if verdict.empty
            else "pass"
        )
        print(f"{mark:6}{verdict.scenario:50}{verdict.words}", flush=True)
    return verdicts


def _row(kind: Kind, revision: str, verdicts: list[Verdict]) -> tuple[str, ...]:
    counts: list[str] = []
    for required in (True, False):
        some = [verdict for verdict in verdicts if verdict.required is required]
        counts.append(f"{sum(verdict.passed for verdict in some)} of {len(some)}")
    known = sum(not verdict.passed and not verdict.fault for verdict in verdicts)
    empty = sum(verdict.empty for verdict in verdicts)
    faults = sum(verdict.fault for verdict in verdicts)
    return (_NAMES[kind], revision, *counts, str(empty), str(known), str(faults))


if __name__ == "__main__":
    sys.exit(main())
