"""The required scenarios of the newest revision; `make conformance` runs everything."""

from typing import Any

import pytest

from tests.conformance.judging import Expected, expected_of, judge
from tests.conformance.node import installed
from tests.conformance.running import Check, run_suite, server_process

_SUITE = installed()


@pytest.mark.skipif(_SUITE is None, reason="`make conformance` fetches the suite")
def test_the_newest_revision_is_conformed_to(database_url: str) -> None:
    assert _SUITE is not None
    with server_process("fixtures", database_url) as url:
        found = run_suite(_SUITE, url, "2026-07-28")
    verdicts = judge(found, _SUITE.required("2026-07-28"), expected_of("fixtures", "2026-07-28"))
    assert [verdict.words for verdict in verdicts if verdict.fault] == []
    required = [verdict for verdict in verdicts if verdict.required]
    assert len(required) == 37
    assert all(verdict.passed and not verdict.empty for verdict in required)


def _check(name: str, status: Any) -> Check:
    return Check(name, status, "")


def _faults(failing: dict[str, str], *checks: Check, only: frozenset[str] = frozenset()) -> list[str]:
    verdicts = judge({"a": list(checks)}, ["a"], Expected(only, failing))
    return [verdict.words for verdict in verdicts if verdict.fault]


def test_an_unexpected_failure_is_a_fault() -> None:
    good, bad = _check("one", "SUCCESS"), _check("two", "FAILURE")
    assert _faults({}, good) == []
    assert _faults({}, good, bad) == ["two: "]
    assert _faults({"a:one": "why"}, good, bad) == ["two: ; one passes, and is named as failing"]


def test_what_is_expected_and_passes_is_a_fault() -> None:
    good, bad = _check("one", "SUCCESS"), _check("two", "FAILURE")
    assert _faults({"a": "why"}, bad) == []
    assert _faults({"a:two": "why"}, good, bad) == []
    assert _faults({"a": "why"}, good) == ["passes, and is named as failing"]
    assert _faults({"a:two": "why"}, good) == ["two passes, and is named as failing"]


def test_what_is_named_and_was_not_run_is_a_fault() -> None:
    good = _check("one", "SUCCESS")
    assert len(_faults({"b": "why", "c:one": "why"}, good)) == 2
    assert len(_faults({}, good, only=frozenset({"a", "d"}))) == 1
