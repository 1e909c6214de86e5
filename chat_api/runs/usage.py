"""What somebody's runs took in a time: turns, tokens, money, errors, seconds, calls of tools."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Generic, Literal, NamedTuple, TypeAlias, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from kit.postgres import Db

__all__ = ["MOST_GROUPS", "CallsBy", "GroupBy", "Made", "Summary", "Taken", "count_calls", "summarize"]

GroupBy: TypeAlias = Literal["day", "hour", "agent", "model", "provider", "user"]
CallsBy: TypeAlias = Literal["tool", "day", "hour"]
MOST_GROUPS: Final = 1000

_WHEN: Final = "CAST(width_bucket(runs.created_at, :moments) AS text)"
_KEYS: Final[Mapping[GroupBy, str]] = {
    "day": _WHEN,
    "hour": _WHEN,
    "agent": "CAST(runs.agent_id AS text)",
    "model": "runs.model",
    "provider": "runs.provider",
    "user": "CAST(runs.user_id AS text)",
}
# An index has the runs of one person by time; so has it those of everybody, one person after the other.
_WHOSE: Final = {
    True: "runs WHERE user_id = :user_id AND created_at >= :since AND created_at < :until",
    False: """
        users CROSS JOIN LATERAL (
            SELECT * FROM runs AS own
            WHERE own.user_id = users.id AND own.created_at >= :since AND own.created_at < :until
            OFFSET 0
        ) AS runs
    """,
}
_SUMMARY: Final = """
    SELECT key, grouping(key) = 1 AS is_total,
        count(*) AS runs,
        count(*) FILTER (WHERE status = 'failed') AS failed_runs,
        count(*) FILTER (WHERE is_over AND cost_usd IS NULL) AS unpriced_runs,
        coalesce(sum(CAST(usage ->> 'input_tokens' AS bigint)), 0) AS input_tokens,
        coalesce(sum(CAST(usage ->> 'output_tokens' AS bigint)), 0) AS output_tokens,
        coalesce(sum(cost_usd), 0) AS cost_usd,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) * 1000 AS latency_ms_p50
    FROM (
        SELECT {key} AS key, status, usage, cost_usd, finished_at IS NOT NULL AS is_over,
            CAST(extract(epoch FROM finished_at - runs.created_at) AS float) AS seconds
        FROM {whose}
    ) AS taken
    GROUP BY GROUPING SETS ((key), ())
    ORDER BY is_total DESC, {order}
    LIMIT :most
"""
# The log of a run is small once it is over, and has what each call took.
_CALLS: Final = """
    SELECT key, grouping(key) = 1 AS is_total,
        count(*) AS calls,
        count(*) FILTER (WHERE error IS NOT NULL) AS failed_calls,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY milliseconds) FILTER (WHERE milliseconds > 0)
            AS latency_ms_p50
    FROM (
        SELECT {key} AS key, events.data ->> 'error' AS error,
            CAST(events.data ->> 'latency_ms' AS float) AS milliseconds
        FROM (SELECT id, created_at FROM {whose} OFFSET 0) AS runs
        JOIN events ON events.run_id = runs.id
            AND events.type = 'step.finished' AND events.data ->> 'kind' = 'tool'
    ) AS made
    GROUP BY GROUPING SETS ((key), ())
    ORDER BY is_total DESC, {order}
    LIMIT :most
"""


class Taken(NamedTuple):
    """What runs took; `unpriced_runs` are those that are over and whose cost nobody knows.

    `latency_ms_p50` is the median, from the message to the end.
    """

    runs: int
    failed_runs: int
    unpriced_runs: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
    latency_ms_p50: float | None


class Made(NamedTuple):
    """Calls of tools; those that were not allowed have failed, and are in no latency."""

    calls: int
    failed_calls: int
    latency_ms_p50: float | None


Sum = TypeVar("Sum", Taken, Made)


class Summary(NamedTuple, Generic[Sum]):
    """`groups` are by day or hour in order, else the largest first."""

    total: Sum
    groups: Sequence[tuple[str | None, Sum]]


async def summarize(
    db: Db, user_id: UUID | None, group_by: GroupBy, since: datetime, until: datetime, zone: ZoneInfo
) -> Summary[Taken]:
    """Of one person, or of everybody; runs begun at `since` or later and before `until`."""
    moments = _moments(group_by, since, until, zone)
    order = "CAST(key AS int)" if moments else "runs DESC, key"
    statement = _SUMMARY.format(key=_KEYS[group_by], whose=_WHOSE[user_id is not None], order=order)
    total, *groups = await _run(db, statement, user_id, since, until, moments)
    named = [(_name(row.key, moments, group_by), _taken(row)) for row in groups]
    return Summary(_taken(total), named)


async def count_calls(
    db: Db, user_id: UUID, group_by: CallsBy, since: datetime, until: datetime, zone: ZoneInfo
) -> Summary[Made]:
    """Of one person: the calls that ended, of runs begun at `since` or later and before `until`."""
    moments = _moments(group_by, since, until, zone)
    key, order = (_WHEN, "CAST(key AS int)") if moments else ("events.data ->> 'name'", "calls DESC, key")
    statement = _CALLS.format(key=key, whose=_WHOSE[True], order=order)
    total, *groups = await _run(db, statement, user_id, since, until, moments)
    return Summary(_made(total), [(_name(row.key, moments, group_by), _made(row)) for row in groups])


async def _run(
    db: Db, sql: str, user_id: UUID | None, since: datetime, until: datetime, moments: Sequence[datetime]
) -> Sequence[Row[Any]]:
    statement = text(sql)
    parameters: dict[str, Any] = {"since": since, "until": until, "most": MOST_GROUPS + 1}
    if user_id is not None:
        parameters["user_id"] = user_id
    if moments:
        statement = statement.bindparams(bindparam("moments", type_=ARRAY(TIMESTAMP(timezone=True))))
        parameters["moments"] = moments
    return await db.run(statement, parameters)


def _taken(row: Row[Any]) -> Taken:
    tokens = int(row.input_tokens), int(row.output_tokens)
    return Taken(row.runs, row.failed_runs, row.unpriced_runs, *tokens, row.cost_usd, _latency(row))


def _made(row: Row[Any]) -> Made:
    return Made(row.calls, row.failed_calls, _latency(row))


def _latency(row: Row[Any]) -> float | None:
    return None if row.latency_ms_p50 is None else round(row.latency_ms_p50, 1)


def _name(key: str | None, moments: Sequence[datetime], group_by: str) -> str | None:
    if not moments or key is None:
        return key
    moment = moments[int(key) - 1]
    return moment.date().isoformat() if group_by == "day" else moment.isoformat()


def _moments(group_by: str, since: datetime, until: datetime, zone: ZoneInfo) -> list[datetime]:
    """When the days or hours begin that the time touches, where the person is."""
    first, last = since.astimezone(zone), until.astimezone(zone)
    match group_by:
        case "day":
            days = range((last.date() - first.date()).days + 1)
            begun = (first.date() + timedelta(days=number) for number in days)
            return [datetime(day.year, day.month, day.day, tzinfo=zone) for day in begun]
        case "hour":
            # Counted in UTC: an hour of the clock is there twice, or not at all, on two days a year.
            whole = first.replace(minute=0, second=0, microsecond=0).astimezone(UTC)
            hours = range(int((until - whole) / timedelta(hours=1)) + 1)
            return [(whole + timedelta(hours=number)).astimezone(zone) for number in hours]
        case _:
            return []
