"""What somebody's turns took, as the API sums it up, and as the page of usage shows it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import quote
from zoneinfo import ZoneInfo

from web_ui.api import Api, ApiError, NotSignedIn

__all__ = [
    "MEASURES",
    "PERIODS",
    "Figures",
    "Line",
    "Measure",
    "Period",
    "Series",
    "ask",
    "begun",
    "cost",
    "seconds",
]

_USAGE: Final = "/api/v1/usage"
_NO_CALLS: Final[dict[str, Any]] = {"calls": 0, "failed_calls": 0}
_NOTHING: Final[dict[str, Any]] = {
    "runs": 0,
    "failed_runs": 0,
    "unpriced_runs": 0,
    "input_tokens": 0,
    "output_tokens": 0,
    "cost_usd": "0",
    "latency_ms_p50": None,
    **_NO_CALLS,
}
_CENT: Final = 0.01
_SECOND: Final = 1000
_MOST_AGENTS: Final = 100
_MOST_SHOWN: Final = 12
Figure = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Period:
    """So many hours or days up to now, with the one that goes on."""

    by: Literal["hour", "day"]
    count: int


PERIODS: Final[Mapping[str, Period]] = {
    "24 hours": Period("hour", 24),
    "7 days": Period("day", 7),
    "30 days": Period("day", 30),
    "90 days": Period("day", 90),
}


class Line(NamedTuple):
    """What one model, agent, tool, day or hour came to."""

    name: str
    figure: Figure


@dataclass(frozen=True, slots=True)
class Figures:
    """Of a period: in all; by hour or day, all of them in order; else the dozen with most turns or calls."""

    total: Figure
    moments: Sequence[Line]
    models: Sequence[Line]
    agents: Sequence[Line]
    tools: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Series:
    """A part of a measure. `of` is None where nothing is known."""

    name: str
    of: Callable[[Figure], float | None]


@dataclass(frozen=True, slots=True)
class Measure:
    """What can be plotted. `told` says one number of it, `ticks` is D3's format for an axis.

    `adds_up`: the sum of two of its numbers means something.
    """

    words: str
    series: tuple[Series, ...]
    told: Callable[[float], str] = "{:,.0f}".format
    ticks: str = "~s"
    adds_up: bool = True


def _failed(all_of_them: str, failed: str, well: str) -> tuple[Series, ...]:
    return (
        Series(well, lambda figure: figure[all_of_them] - figure[failed]),
        Series("Failed", lambda figure: figure[failed]),
    )


def _dollars(amount: float) -> str:
    """With two digits at least of a small one."""
    return f"${amount:,.2f}" if amount >= _CENT or not amount else f"${amount:.2g}"


def cost(figure: Figure) -> str:
    known = float(figure["cost_usd"])
    return "not known" if figure["unpriced_runs"] and not known else _dollars(known)


def seconds(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "not known"
    return f"{milliseconds:.0f} ms" if milliseconds < _SECOND else f"{milliseconds / 1000:,.1f} s"


def _latency(figure: Figure) -> float | None:
    milliseconds = figure["latency_ms_p50"]
    return None if milliseconds is None else milliseconds / 1000


MEASURES: Final[Mapping[str, Measure]] = {
    "Tokens": Measure(
        "How much models read and wrote. A token is a piece of a word.",
        (
            Series("Read", lambda figure: figure["input_tokens"]),
            Series("Written", lambda figure: figure["output_tokens"]),
        ),
    ),
    "Turns": Measure(
        "How many messages were to be answered.",
        _failed("runs", "failed_runs", "Answered"),
    ),
    "Answer time": Measure(
        "Seconds from a message to the end of its answer. Half of the turns took less, half more.",
        (Series("Seconds", _latency),),
        lambda number: seconds(number * 1000),
        "~g",
        adds_up=False,
    ),
    "Cost": Measure(
        "US dollars, at list prices.",
        (Series("US dollars", lambda figure: float(figure["cost_usd"])),),
        _dollars,
        "$,.6~f",
    ),
    "Tool calls": Measure(
        "How often tools were called. A call that was not allowed has failed, too.",
        _failed("calls", "failed_calls", "Made"),
    ),
}


def ask(api: Api, period: Period, zone: ZoneInfo) -> Figures:
    """Raises ApiError."""
    moments = begun(period, datetime.now(zone), zone)
    span = {"since": moments[0][0].isoformat(), "timezone": zone.key}
    by_time, by_model, by_agent = (
        api.get(_USAGE, group_by=group_by, **span) for group_by in (period.by, "model", "agent")
    )
    calls_by_time, by_tool = (
        api.get(f"{_USAGE}/tools", group_by=group_by, **span) for group_by in (period.by, "tool")
    )
    taken, made = _by_key(by_time), _by_key(calls_by_time)
    keyed = [
        (label, (moment.date() if period.by == "day" else moment).isoformat()) for moment, label in moments
    ]
    return Figures(
        total={**by_time["total"], **_calls(by_tool["total"])},
        moments=[
            Line(label, {**_NOTHING, **taken.get(key, {}), **_calls(made.get(key, _NO_CALLS))})
            for label, key in keyed
        ],
        models=[Line(group["key"] or "No model", group) for group in by_model["groups"][:_MOST_SHOWN]],
        agents=_named(api, [Line(group["key"] or "", group) for group in by_agent["groups"][:_MOST_SHOWN]]),
        tools=[Line(group["key"], group) for group in by_tool["groups"][:_MOST_SHOWN]],
    )


def _by_key(answer: Mapping[str, Any]) -> dict[str, Figure]:
    return {group["key"]: group for group in answer["groups"]}


def _calls(figure: Figure) -> Figure:
    return {name: figure[name] for name in _NO_CALLS}


def begun(period: Period, now: datetime, zone: ZoneInfo) -> list[tuple[datetime, str]]:
    """When each hour or day of the period begins, and what the page calls it: no two alike."""
    back = range(period.count - 1, -1, -1)
    if period.by == "day":
        days = [now.date() - timedelta(days=number) for number in back]
        return [
            (datetime(day.year, day.month, day.day, tzinfo=zone), _spaced(f"{day:%d %b}")) for day in days
        ]
    whole = now.replace(minute=0, second=0, microsecond=0).timestamp()
    hours = [datetime.fromtimestamp(whole - number * 3600, zone) for number in back]
    times = Counter(f"{hour:%d %H}" for hour in hours)
    return [
        (hour, _spaced(f"{hour:%a %H:%M}" if times[f"{hour:%d %H}"] == 1 else f"{hour:%a %H:%M (UTC%z)}"))
        for hour in hours
    ]


def _spaced(words: str) -> str:
    return words.replace(" ", "\u00a0")


def _named(api: Api, lines: Sequence[Line]) -> list[Line]:
    """The same with names in place of ids, no two alike. Raises ApiError."""
    listed: list[dict[str, Any]] = api.get("/api/v1/agents", limit=_MOST_AGENTS)["agents"] if lines else []
    names: dict[str, str] = {"": "Default assistant"} | {agent["agent_id"]: agent["name"] for agent in listed}
    named: dict[str, Line] = {}
    for agent_id, figure in lines:
        name = names.get(agent_id) or _agent(api, agent_id)
        named[f"{name} ({agent_id[-4:]})" if name in named else name] = Line(name, figure)
    return [Line(name, line.figure) for name, line in named.items()]


def _agent(api: Api, agent_id: str) -> str:
    try:
        return api.get(f"/api/v1/agents/{quote(agent_id, safe='')}")["name"]
    except NotSignedIn:
        raise
    except ApiError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return "Deleted agent"
        raise
