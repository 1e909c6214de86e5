"""What replicas tell one another, through Postgres' NOTIFY: where to look, never what is there."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

__all__ = ["CHANNEL", "Cancel", "Note", "Work", "parse", "payloads"]

CHANNEL: Final = "turnlog"
_LONGEST: Final = 7_900
_HEX: Final = 32


@dataclass(frozen=True, slots=True)
class Note:
    """There is something new in this run's log."""

    user_id: UUID
    conversation_id: UUID
    run_id: UUID

    def __str__(self) -> str:
        return f"n{self.user_id.hex}{self.conversation_id.hex}{self.run_id.hex}"


@dataclass(frozen=True, slots=True)
class Cancel:
    """Whoever drives this run is to stop."""

    run_id: UUID

    def __str__(self) -> str:
        return f"c{self.run_id.hex}"


@dataclass(frozen=True, slots=True)
class Work:
    """There is a run that nobody drives."""

    def __str__(self) -> str:
        return "w"


def payloads(signals: Iterable[Note | Cancel | Work]) -> list[str]:
    """As few payloads as hold them all; Postgres takes 8,000 bytes in one."""
    found: list[str] = []
    for word in map(str, signals):
        if found and len(found[-1]) + len(word) < _LONGEST:
            found[-1] += f" {word}"
        else:
            found.append(word)
    return found


def parse(payload: str) -> Iterator[Note | Cancel | Work]:
    """The signals in a payload; what is none of ours is left out."""
    for word in payload.split():
        kind, rest = word[0], word[1:]
        try:
            ids = [UUID(rest[start : start + _HEX]) for start in range(0, len(rest), _HEX)]
        except ValueError:
            continue
        match kind, ids:
            case "n", [user_id, conversation_id, run_id]:
                yield Note(user_id, conversation_id, run_id)
            case "c", [run_id]:
                yield Cancel(run_id)
            case "w", []:
                yield Work()
            case _:
                pass
