"""Cases that Schemathesis makes from the OpenAPI document, and what is wrong with the answers to them."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode, checks
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks as conformance

from tests.fuzz.people import Crowd

__all__ = ["Report", "fuzz"]

# Their types are not all known.
_general: Any = checks
_conformance: Any = conformance
_CHECKS: Final[list[Any]] = [
    _general.not_a_server_error,
    _conformance.status_code_conformance,
    _conformance.content_type_conformance,
    _conformance.response_headers_conformance,
    _conformance.response_schema_conformance,
]
_ROUND: Final = 25
_ACCEPTS: Final = ("*/*", "application/json", "text/event-stream", "application/x-ndjson")
_HEALTH: Final[list[Any]] = list(HealthCheck)


@dataclass(slots=True)
class Report:
    cases: int = 0
    statuses: Counter[int] = field(default_factory=Counter[int])
    operations: Counter[str] = field(default_factory=Counter[str])
    succeeded: Counter[str] = field(default_factory=Counter[str])
    faults: dict[str, list[str]] = field(default_factory=dict[str, list[str]])


def fuzz(crowd: Crowd, document: dict[str, Any], cases: int, start: int) -> Report:
    """Send about `cases` requests, as many to each operation; with the same `start` the same ones."""
    report, round_ = Report(), 0
    schema: Any = schemathesis.openapi.from_dict(document)
    operations = [found.ok() for found in schema.get_all_operations()]
    with requests.Session() as session:
        session.trust_env = False
        while report.cases < cases:
            size = max(1, min(_ROUND, (cases - report.cases) // len(operations)))
            for operation in operations:
                _try(operation, size, start + round_, _sender(crowd, session, report, operation.label))
            crowd.leave()
            round_ += 1
    return report


def _try(operation: Any, size: int, start: int, send: Callable[[Any, bool, str], None]) -> None:
    """Half of the cases fit the document, and half have ids of what is there."""
    made = [operation.as_strategy(mode) for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)]
    chosen = given(st.one_of(made), st.booleans(), st.sampled_from(_ACCEPTS))
    bounds = settings(
        max_examples=size,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=_HEALTH,
        verbosity=Verbosity.quiet,
    )
    # Nothing can be wrong about an operation that takes nothing.
    with suppress(Unsatisfiable):
        seed(start)(bounds(chosen(send)))()


def _sender(
    crowd: Crowd, session: requests.Session, report: Report, label: str
) -> Callable[[Any, bool, str], None]:
    def send(case: Any, real: bool, accept: str) -> None:
        if real:
            crowd.make_real(case)
        headers = {**crowd.headers(case.path), "Accept": accept}
        response = case.call(base_url=crowd.base_url, session=session, headers=headers, timeout=60)
        status = response.status_code
        report.cases += 1
        report.operations[label] += 1
        report.statuses[status] += 1
        report.succeeded[label] += status < HTTPStatus.BAD_REQUEST
        try:
            case.validate_response(response, checks=_CHECKS, headers=headers)
        except FailureGroup as group:
            for failure in group.exceptions:
                shown = f"{failure}\n{case.as_curl_command()}\n{response.text[:300]}"
                report.faults.setdefault(f"{label} {status}: {failure.title}", []).append(shown)

    return send
