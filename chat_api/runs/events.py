"""What happens in a run, as its log keeps it and as readers get it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, Final
from uuid import UUID

__all__ = ["ATTEMPT", "DELTA", "FINAL_TYPES", "LARGEST_TEXT", "Event", "Row", "cut", "parts", "to_rows"]

ATTEMPT: Final = 1_000_000_000
"""An attempt's events have the numbers after `attempt * ATTEMPT`, so that they grow over all attempts."""

DELTA: Final = "text.delta"
LARGEST_TEXT: Final = 16 * 1024
"""Characters of text in one event: a client's library may refuse long lines and large messages."""

FINAL_TYPES: Final = frozenset({"run.completed", "run.failed", "run.cancelled"})


@dataclass(slots=True, eq=False)
class Event:
    """One event; or the deltas `first` to `seq` of a text in one, whose `data` then has their `lengths`.

    `frames` keeps what the wires have made of it, for all readers of this process.
    """

    run_id: UUID
    first: int
    seq: int
    type: str
    data: dict[str, Any]
    at: datetime
    frames: dict[str, bytes] = field(default_factory=dict[str, bytes])


@dataclass(slots=True, frozen=True)
class Row:
    """What `events` keeps of one event, or of several deltas that follow one another."""

    seq: int
    value: dict[str, Any]


def to_rows(events: Sequence[Event]) -> list[Row]:
    """Rows for events that follow one another; neighbouring deltas of a step become one."""
    rows: list[Row] = []
    for step, group in groupby(events, key=_step_of_delta):
        if step is None:
            rows += [_row(event, event.first, event.data) for event in group]
        else:
            deltas = list(group)
            rows.append(_row(deltas[-1], deltas[0].first, _merged(step, deltas)))
    return rows


def _step_of_delta(event: Event) -> str | None:
    return event.data["step_id"] if event.type == DELTA else None


def _merged(step: str, deltas: Iterable[Event]) -> dict[str, Any]:
    texts = [delta.data["text"] for delta in deltas]
    return {"step_id": step, "text": "".join(texts), "lengths": [len(text) for text in texts]}


def _row(last: Event, first: int, data: dict[str, Any]) -> Row:
    value = {
        "run_id": last.run_id.hex,
        "seq": last.seq,
        "first_seq": first,
        "type": last.type,
        "data": data,
        "at": last.at.isoformat(),
    }
    return Row(last.seq, value)


def parts(event: Event) -> list[Event]:
    """The event, or its deltas in several that are no larger than LARGEST_TEXT, unless one delta is."""
    if event.type != DELTA or len(event.data["text"]) <= LARGEST_TEXT:
        return [event]
    found: list[Event] = []
    step, text, number, start = event.data["step_id"], event.data["text"], event.first, 0
    for lengths in _fitting(event.data["lengths"]):
        end, last = start + sum(lengths), number + len(lengths) - 1
        data = {"step_id": step, "text": text[start:end], "lengths": lengths}
        found.append(Event(event.run_id, number, last, DELTA, data, event.at))
        start, number = end, last + 1
    return found


def _fitting(lengths: Iterable[int]) -> list[list[int]]:
    """The lengths in rows of at most LARGEST_TEXT in all."""
    rows, room = list[list[int]](), 0
    for length in lengths:
        if not rows or length > room:
            rows.append([])
            room = LARGEST_TEXT
        rows[-1].append(length)
        room -= length
    return rows


def cut(event: Event, after: int) -> Event:
    """What is left of an event for a reader who has seen everything up to number `after`."""
    if after < event.first:
        return event
    seen = sum(event.data["lengths"][: after - event.first + 1])
    data = {"step_id": event.data["step_id"], "text": event.data["text"][seen:]}
    return Event(event.run_id, event.seq, event.seq, event.type, data, event.at)
