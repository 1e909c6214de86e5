"""What somebody's runs took in a time: turns, tokens, money, errors, seconds."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from kit.postgres import Db

__all__ = ["MOST_GROUPS", "GroupBy", "Summary", "Taken", "summarize"]

GroupBy: TypeAlias = Literal["day", "agent", "model", "provider", "user"]
MOST_GROUPS: Final = 1000

_KEYS: Final[Mapping[GroupBy, str]] = {
    "day": "CAST(width_bucket(runs.created_at, :days) AS text)",
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


class Summary(NamedTuple):
    """`groups` are by day in order, else those with most runs first."""

    total: Taken
    groups: Sequence[tuple[str | None, Taken]]


async def summarize(
    db: Db, user_id: UUID | None, group_by: GroupBy, since: datetime, until: datetime, zone: ZoneInfo
) -> Summary:
    """Of one person, or of everybody; runs begun at `since` or later and before `until`."""
    days = _days(since, until, zone) if group_by == "day" else []
    order = "CAST(key AS int)" if group_by == "day" else "runs DESC, key"
    statement = text(_SUMMARY.format(key=_KEYS[group_by], whose=_WHOSE[user_id is not None], order=order))
    parameters: dict[str, Any] = {"since": since, "until": until, "most": MOST_GROUPS + 1}
    if user_id is not None:
        parameters["user_id"] = user_id
    if days:
        statement = statement.bindparams(bindparam("days", type_=ARRAY(TIMESTAMP(timezone=True))))
        parameters["days"] = [datetime(day.year, day.month, day.day, tzinfo=zone) for day in days]
    total, *groups = await db.run(statement, parameters)
    named = [(days[int(row.key) - 1].isoformat() if days else row.key, _taken(row)) for row in groups]
    return Summary(_taken(total), named)


def _taken(row: Row[Any]) -> Taken:
    latency = None if row.latency_ms_p50 is None else round(row.latency_ms_p50, 1)
    tokens = int(row.input_tokens), int(row.output_tokens)
    return Taken(row.runs, row.failed_runs, row.unpriced_runs, *tokens, row.cost_usd, latency)


def _days(since: datetime, until: datetime, zone: ZoneInfo) -> list[date]:
    """The days that the time touches, where the person is."""
    first, last = since.astimezone(zone).date(), until.astimezone(zone).date()
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
