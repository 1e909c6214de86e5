"""Everyday requests, and what a right answer to them is.

Every case starts with the same files and todos (FILES, TODOS) of a user of its own.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo

__all__ = ["CONVERSATIONS", "FILES", "PROMPTS", "TODOS", "ZONE", "Call", "Prompt", "Turn"]

ZONE: Final = ZoneInfo("Europe/Berlin")

Call: TypeAlias = Mapping[str, Any]
"""A tool call as the bridge records it: tool, args, result, and error where it failed."""

Check: TypeAlias = Callable[[Call], bool]

FILES: Final = {
    "notes.txt": "Dentist moved to room 204.\nAsk Ben about the invoice.\n",
    "recipes/pancakes.md": "# Pancakes\n\n250 g flour, 3 eggs, 500 ml milk.\n",
    "budget.csv": "month,spent\nSeptember,1210\nOctober,1385\n",
    "old.txt": "Nothing of use any more.\n",
}
TODOS: Final = (
    {"title": "Buy stamps"},
    {"title": "Renew passport"},
    {"title": "Sell the old bike"},
    {"title": "Pay the rent", "priority": "high"},
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request. `tool` is the tool that it needs, or None; `first` may be called before, to find an id.

    `check` judges the call of `tool`; `wanted` says in words what it asks for.
    """

    text: str
    tool: str | None
    wanted: str = ""
    check: Check = lambda _: True
    first: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation.

    It must call `tool` (where there is one) so that `check` accepts the call, may call `allowed` besides,
    and nothing else; `says` judges its answer.
    """

    text: str
    tool: str | None
    check: Check = lambda _: True
    allowed: tuple[str, ...] = ()
    says: Callable[[str], bool] = lambda _: True


def result_of(call: Call) -> Mapping[str, Any]:
    return call.get("result") or {}


def has(**wanted: str) -> Check:
    """Arguments that hold these words, in any case."""

    def check(call: Call) -> bool:
        return all(words.lower() in str(call["args"].get(name, "")).lower() for name, words in wanted.items())

    return check


def gives(value: float) -> Check:
    """A result that is this number: any expression for it will do."""

    def check(call: Call) -> bool:
        found = re.search(r"-?\d+(\.\d+)?", str(result_of(call).get("result", "")))
        return found is not None and abs(float(found[0]) - value) < 0.005

    return check


def due(day: Callable[[], date], title: str) -> Check:
    """A todo with this word in its title that is due on that day, however the day was written."""

    def check(call: Call) -> bool:
        result = result_of(call)
        at = result.get("due")
        on_time = at is not None and datetime.fromisoformat(str(at)).astimezone(ZONE).date() == day()
        return on_time and title in str(result["title"]).lower()

    return check


def about(title: str, **state: str) -> Check:
    """A todo that was found and has this word in its title and is now in this state."""

    def check(call: Call) -> bool:
        result = result_of(call)
        return title in str(result.get("title", "")).lower() and state.items() <= result.items()

    return check


def at(clock: str, source: str, target: str) -> Check:
    """A conversion from that time in one zone to the other zone, however they were written."""

    def check(call: Call) -> bool:
        result = result_of(call)
        original: Mapping[str, Any] = result.get("original", {})
        asked = (str(original.get("time"))[:5], original.get("timezone"), result.get("timezone"))
        return asked == (clock, source, target)

    return check


def in_zone(name: str) -> Check:
    """A time in that zone, by the zone's name or a city's."""
    return lambda call: result_of(call).get("timezone") == name


def without(*names: str) -> Check:
    """No such arguments, or empty ones."""
    return lambda call: not any(call["args"].get(name) for name in names)


def tomorrow() -> date:
    return datetime.now(ZONE).date() + timedelta(days=1)


def next_friday() -> date:
    today = datetime.now(ZONE).date()
    return today + timedelta(days=(4 - today.weekday()) % 7 or 7)


PROMPTS: Final = (
    Prompt("What is 17.5% of 240?", "calculator", "42", gives(42)),
    Prompt("How much is 1284 divided by 16?", "calculator", "80.25", gives(80.25)),
    Prompt(
        "I have three invoices of 129.90, 85.50 and 310. What do they add up to?",
        "calculator",
        "525.4",
        gives(525.4),
    ),
    Prompt("What's the square root of 2025?", "calculator", "45", gives(45)),
    Prompt(
        "We split a bill of 186 euros between 4 people. How much is it each?",
        "calculator",
        "46.5",
        gives(46.5),
    ),
    Prompt("What time is it right now?", "current_time", "Europe/Berlin", in_zone(ZONE.key)),
    Prompt("What's the time in Tokyo?", "current_time", "Asia/Tokyo", in_zone("Asia/Tokyo")),
    Prompt(
        "If it is 3 pm in New York, what time is it in London?",
        "convert_time",
        "15:00 America/New_York to Europe/London",
        at("15:00", "America/New_York", "Europe/London"),
    ),
    Prompt(
        "Convert 09:30 Berlin time to Los Angeles time.",
        "convert_time",
        "09:30 Europe/Berlin to America/Los_Angeles",
        at("09:30", "Europe/Berlin", "America/Los_Angeles"),
    ),
    Prompt("Which files do I have?", "list_files", "the whole folder", without("path")),
    Prompt("Show me what's in notes.txt", "read_file", "notes.txt", has(path="notes.txt")),
    Prompt(
        "Save a file called ideas.txt with the text: build a birdhouse",
        "write_file",
        "ideas.txt, build a birdhouse",
        has(path="ideas.txt", content="build a birdhouse"),
    ),
    Prompt("Which of my files mention the word invoice?", "search_files", "invoice", has(query="invoice")),
    Prompt("Please delete old.txt", "delete_file", "old.txt", has(path="old.txt")),
    Prompt("Search the web for hiking trails in Norway", "web_search", "hiking, Norway", has(query="norway")),
    Prompt("What's in the news about SpaceX?", "web_search", "SpaceX", has(query="spacex")),
    Prompt(
        "Summarise https://example.com/about for me",
        "fetch_page",
        "the URL",
        has(url="https://example.com/about"),
    ),
    Prompt(
        "Find some articles online about sourdough bread", "web_search", "sourdough", has(query="sourdough")
    ),
    Prompt("Add buy milk to my todos", "add_todo", "milk, no due", about("milk", status="open")),
    Prompt(
        "Remind me to call the dentist tomorrow", "add_todo", "dentist, tomorrow", due(tomorrow, "dentist")
    ),
    Prompt(
        "Put 'submit tax return' on my list, it's high priority",
        "add_todo",
        "tax return, high",
        about("tax return", priority="high"),
    ),
    Prompt(
        "I need to remember to water the plants on Friday",
        "add_todo",
        "plants, Friday",
        due(next_friday, "plants"),
    ),
    Prompt("What's on my todo list?", "list_todos", "open ones", has()),
    Prompt("Which todos have I finished already?", "list_todos", "status done", has(status="done")),
    Prompt(
        "Mark 'buy stamps' as done",
        "complete_todo",
        "stamps",
        about("stamps", status="done"),
        ("list_todos",),
    ),
    Prompt("Delete the todo about the old bike", "delete_todo", "bike", about("bike"), ("list_todos",)),
    Prompt(
        "Change the priority of 'renew passport' to high",
        "update_todo",
        "passport, high",
        about("passport", priority="high"),
        ("list_todos",),
    ),
    Prompt("Hi there!", None),
    Prompt("Who are you?", None),
    Prompt("Write a two-line poem about the sea.", None),
)


def says(*words: str) -> Callable[[str], bool]:
    """An answer that holds each of these, in any case."""
    return lambda answer: all(word in answer.lower() for word in words)


def tells_time(zone: str) -> Callable[[str], bool]:
    """An answer with the time of these minutes, on a clock of 24 or 12 hours."""

    def check(answer: str) -> bool:
        now = datetime.now(ZoneInfo(zone))
        times = [now - timedelta(minutes=minute) for minute in range(3)]
        return any(f"{time:%H:%M}" in answer or f"{time:%I:%M}".lstrip("0") in answer for time in times)

    return check


CONVERSATIONS: Final = (
    (
        Turn("Add buy bread to my list", "add_todo", about("bread"), says=says("bread")),
        Turn("And pick up the parcel tomorrow", "add_todo", due(tomorrow, "parcel"), says=says("parcel")),
        Turn("What do I have on my list now?", "list_todos", says=says("bread", "parcel")),
    ),
    (
        Turn(
            "Save a note called trip.txt that says: train leaves at 9:40 from platform 7",
            "write_file",
            has(path="trip.txt", content="platform 7"),
        ),
        Turn("Which platform was it again?", None, allowed=("read_file", "search_files"), says=says("7")),
        Turn(
            "Thanks, delete that file please",
            "delete_file",
            has(path="trip.txt"),
            ("list_files",),
            says("delet"),
        ),
    ),
    (
        Turn("What's 15 percent of 80?", "calculator", gives(12), says=says("12")),
        Turn("And 80 plus that?", None, allowed=("calculator",), says=says("92")),
        Turn("Split that among 4 friends", None, allowed=("calculator",), says=says("23")),
    ),
    (
        Turn("Hello, who am I talking to?", None, says=says("turnlog")),
        Turn(
            "What time is it in Tokyo?",
            "current_time",
            in_zone("Asia/Tokyo"),
            says=tells_time("Asia/Tokyo"),
        ),
        Turn("Great, thank you!", None),
    ),
    (
        Turn("What's on my todo list?", "list_todos", says=says("rent", "stamps")),
        Turn(
            "I paid the rent, tick it off",
            "complete_todo",
            about("rent", status="done"),
            ("list_todos",),
            says("rent"),
        ),
        Turn("What's left?", None, allowed=("list_todos",), says=says("stamps", "passport")),
    ),
)
