"""What the runs of an agent came to: counts, tokens, seconds; never what was said."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import text

from kit.postgres import Db

__all__ = ["OF_ALL", "OF_ONE", "Metrics", "measure"]

_METRICS: Final = """
    WITH taken AS (
        SELECT runs.status, runs.usage, runs.cost_usd, runs.error ->> 'code' AS code, called.*,
            CAST(extract(epoch FROM runs.finished_at - runs.created_at) AS float) * 1000 AS milliseconds
        FROM runs
        LEFT JOIN LATERAL (
            SELECT count(*) AS calls, count(*) FILTER (WHERE call ->> 'error' IS NOT NULL) AS failed_calls
            FROM messages CROSS JOIN LATERAL jsonb_array_elements(messages.tool_calls) AS call
            WHERE messages.user_id = runs.user_id AND messages.conversation_id = runs.conversation_id
                AND messages.position = runs.answer_position
        ) AS called ON true
        WHERE runs.agent_id = :agent_id AND runs.created_at >= :since AND runs.created_at < :until {own}
    )
    SELECT count(*) AS runs,
        (SELECT jsonb_object_agg(status, number)
            FROM (SELECT status, count(*) AS number FROM taken GROUP BY status) AS each) AS by_status,
        (SELECT jsonb_object_agg(code, number)
            FROM (SELECT code, count(*) AS number FROM taken WHERE code IS NOT NULL GROUP BY code) AS each
        ) AS errors,
        percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY milliseconds)
            FILTER (WHERE status = 'completed') AS latencies,
        coalesce(sum(CAST(usage ->> 'input_tokens' AS bigint)), 0) AS input_tokens,
        coalesce(sum(CAST(usage ->> 'output_tokens' AS bigint)), 0) AS output_tokens,
        coalesce(sum(cost_usd), 0) AS cost_usd,
        coalesce(sum(calls), 0) AS tool_calls, coalesce(sum(failed_calls), 0) AS failed_tool_calls
    FROM taken
"""
# An index has the runs of an agent by time, another one those of one person with it.
OF_ALL: Final = text(_METRICS.format(own=""))
OF_ONE: Final = text(_METRICS.format(own="AND runs.user_id = :user_id"))


class Metrics(NamedTuple):
    """`by_status` and `errors` are numbers of runs; the latencies are of those that are completed."""

    runs: int
    by_status: Mapping[str, int]
    errors: Mapping[str, int]
    latency_ms_p50: float | None
    latency_ms_p95: float | None
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
    tool_calls: int
    failed_tool_calls: int


async def measure(db: Db, agent_id: UUID, user_id: UUID | None, since: datetime, until: datetime) -> Metrics:
    """Of the agent's runs that began at `since` or later and before `until`: one person's, or everybody's."""
    parameters: dict[str, Any] = {"agent_id": agent_id, "since": since, "until": until}
    if user_id is not None:
        parameters["user_id"] = user_id
    [row] = await db.run(OF_ALL if user_id is None else OF_ONE, parameters)
    half, most = (round(each, 1) for each in row.latencies) if row.latencies else (None, None)
    tokens = int(row.input_tokens), int(row.output_tokens)
    calls = int(row.tool_calls), int(row.failed_tool_calls)
    return Metrics(row.runs, row.by_status or {}, row.errors or {}, half, most, *tokens, row.cost_usd, *calls)
