"""What the verdict judges by, and what it finds."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from typing import Any, TypeAlias

from chat_api.runs.events import ATTEMPT, DELTA

__all__ = ["Kept", "Logged", "Ran", "Span", "Times", "Verdict", "text_of"]

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

    @property
    def attempt(self) -> int:
        """The number of the attempt that wrote it."""
        return max(1, self.seq // ATTEMPT)


@dataclass(frozen=True, slots=True)
class Kept:
    """The message with a run's answer."""

    text: str
    calls: Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Ran:
    """A run, its log and its answer, if it has one.

    `stopping` are the attempts that were claimed with the cancel known, and so were only to end it.
    """

    id: str
    status: str
    code: str | None
    attempts: int
    usage: dict[str, Any] | None
    model: str | None
    log: Sequence[Logged]
    kept: Kept | None
    stopping: frozenset[int]

    @property
    def text(self) -> str:
        return self.kept.text if self.kept else ""

    @property
    def calls(self) -> Sequence[dict[str, Any]]:
        return self.kept.calls if self.kept else ()


@dataclass
class Verdict:
    """`faults` are sentences, by their kind. `latencies` are seconds from a death to a takeover, `late` those
    runs where it took too long.

    `told` are tool calls that had no effect, which the model was told. `stopped_elsewhere` are the cancelled
    runs that another attempt has ended than had begun them. `suspects` are the runs with a fault.
    """

    runs: int = 0
    completed: int = 0
    cancelled: int = 0
    stopped_elsewhere: int = 0
    attempts: int = 0
    texts: int = 0
    told: int = 0
    unmeasured: int = 0
    faults: dict[str, list[str]] = field(default_factory=lambda: defaultdict[str, list[str]](list))
    latencies: list[float] = field(default_factory=list[float])
    late: list[str] = field(default_factory=list[str])
    suspects: list[Ran] = field(default_factory=list[Ran])

    @property
    def p99(self) -> float:
        found = sorted(self.latencies)
        return found[ceil(len(found) * 0.99) - 1] if found else 0.0


def text_of(log: Sequence[Logged]) -> str:
    """What a reader of the log has seen by its end."""
    said: list[str] = []
    for row in log:
        if row.type == "attempt":
            said = [row.data["text"]]
        elif row.type == DELTA:
            said.append(row.data["text"])
    return "".join(said)
