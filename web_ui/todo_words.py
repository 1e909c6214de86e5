"""Todos in words: when they are due, in which order they are shown, and what is said in one line."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from web_ui.markdown import inline

__all__ = ["about", "due_of", "in_order", "split_due"]

_LONGEST_NOTES: Final = 200
_LONGEST_DUE: Final = 100
# Numbers alone are more often something else: "Read chapters 1, 2".
_WORDS: Final = re.compile(r"[^\W\d]{2}")


def split_due(line: str) -> tuple[str, str | None]:
    """A title, and what may be its time: what comes after the last comma, as in "Call Ann, tomorrow at 9"."""
    title, comma, due = (part.strip() for part in line.rpartition(","))
    if not (comma and title and len(due) <= _LONGEST_DUE and _WORDS.search(due)):
        return line.strip(), None
    return title, due


def in_order(todos: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The open ones before those that are done; what is due first, then what was added last."""
    newest = sorted(todos, key=lambda todo: todo["id"], reverse=True)
    return sorted(
        newest,
        key=lambda todo: (
            todo["status"] == "done",
            todo["due"] is None or todo["status"] == "done",
            datetime.fromisoformat(todo["due"]).timestamp()
            if todo["due"] and todo["status"] == "open"
            else 0,
        ),
    )


def about(todo: Mapping[str, Any], now: datetime) -> str:
    """All but the title, as Markdown; nothing where there is nothing. `now` is in the reader's zone."""
    parts: list[str] = []
    if todo["due"] is not None:
        due = datetime.fromisoformat(todo["due"]).astimezone(now.tzinfo)
        late = todo["status"] == "open" and due < now
        words = due_of(due, now)
        parts.append(f":red[:material/error: Overdue, it was due {words}]" if late else f":gray[Due {words}]")
    if todo["priority"] != "normal":
        parts.append(f":gray[{todo['priority'].capitalize()} priority]")
    parts += [f":gray-badge[{inline(tag)}]" for tag in todo["tags"]]
    if todo["notes"]:
        notes = " ".join(todo["notes"].split())
        cut = notes if len(notes) <= _LONGEST_NOTES else f"{notes[:_LONGEST_NOTES]}…"
        parts.append(f":gray[{inline(cut)}]")
    return " · ".join(parts)


def due_of(due: datetime, now: datetime) -> str:
    """A time as people say it; the last minute of a day is the day itself."""
    days = {
        now.date(): "today",
        now.date() + timedelta(days=1): "tomorrow",
        now.date() - timedelta(days=1): "yesterday",
    }
    year = "" if due.year == now.year else f" {due.year}"
    day = days.get(due.date(), f"{due:%a} {due.day} {due:%b}{year}")
    return day if (due.hour, due.minute) == (23, 59) else f"{day} at {due:%H:%M}"
