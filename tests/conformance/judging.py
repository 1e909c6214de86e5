"""What the suite found against what is expected."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.conformance.running import Check, Kind

__all__ = ["Expected", "Verdict", "expected_of", "judge"]

_FILE: Final = Path(__file__).with_name("expected.toml")


@dataclass(frozen=True, slots=True)
class Expected:
    """`only` names the scenarios that apply; none: all do. `failing` names scenarios or checks."""

    only: frozenset[str]
    failing: Mapping[str, str]

    def applies(self, scenario: str) -> bool:
        return not self.only or scenario in self.only


@dataclass(frozen=True, slots=True)
class Verdict:
    """`passed`, as the suite counts it: also a scenario that found nothing to test, which is `empty`."""

    scenario: str
    required: bool
    passed: bool
    fault: bool
    words: str
    empty: bool = False


def expected_of(kind: Kind, revision: str) -> Expected:
    table: dict[str, Any] = dict(tomllib.loads(_FILE.read_text())[kind][revision])
    return Expected(frozenset(table.pop("only", ())), table)


def judge(found: Mapping[str, list[Check]], required: Iterable[str], expected: Expected) -> list[Verdict]:
    order = list(required)
    rest = [name for name in found if name not in order]
    verdicts = [
        _verdict(name, found[name], expected, required=name in order)
        for name in [*order, *sorted(rest)]
        if expected.applies(name)
    ]
    run = {verdict.scenario for verdict in verdicts}
    lost = {name for name in expected.failing if name.partition(":")[0] not in run} | (expected.only - run)
    words = "is named in the file of what is expected, and was not run"
    return verdicts + [
        Verdict(name, required=False, passed=False, fault=True, words=words) for name in sorted(lost)
    ]


def _verdict(scenario: str, checks: list[Check], expected: Expected, *, required: bool) -> Verdict:
    failed = [check for check in checks if check.status == "FAILURE"]
    reason = expected.failing.get(scenario)
    if reason is not None:
        words = f"expected: {reason}" if failed else "passes, and is named as failing"
        return Verdict(scenario, required, not failed, not failed, words)
    single = {name.partition(":")[2] for name in expected.failing if name.startswith(f"{scenario}:")}
    names = {check.name for check in failed}
    faults = [f"{check.name}: {check.message}" for check in failed if check.name not in single]
    faults += [f"{name} passes, and is named as failing" for name in sorted(single - names)]
    words = "; ".join(faults) or _told(checks, single)
    return Verdict(
        scenario, required, not failed, bool(faults), words, empty=not _passed(checks) and not failed
    )


def _passed(checks: list[Check]) -> int:
    return sum(check.status == "SUCCESS" for check in checks)


def _told(checks: list[Check], single: set[str]) -> str:
    """What is worth telling of a scenario without a fault."""
    parts = [f"{_passed(checks)} checks"] if _passed(checks) else ["nothing to test"]
    parts += [f"{len(single)} checks that call a fixture fail as expected"] if single else []
    parts += [f"warning: {check.name}" for check in checks if check.status == "WARNING"]
    return ", ".join(parts)
