"""Folding old logs: text that was streamed in pieces becomes one row a step. Readers see no difference."""

from collections import defaultdict
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from chat_api.runs.events import ATTEMPT
from kit.postgres import Db

__all__ = ["fold"]

_RUNS_AT_ONCE: Final = 100
_IDS: Final = bindparam("ids", type_=ARRAY(PG_UUID(as_uuid=True)))

_OLD: Final = text(
    """
    SELECT id FROM runs
    WHERE finished_at < now() - make_interval(secs => :age) AND NOT folded
    ORDER BY finished_at LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
    """
)
_TAKE: Final = text(
    """
    DELETE FROM events WHERE run_id = ANY(:ids) AND type = 'text.delta'
    RETURNING run_id, seq, first_seq, user_id, data, at
    """
).bindparams(_IDS)
_PUT: Final = text(
    """
    INSERT INTO events (run_id, seq, first_seq, user_id, type, data, at)
    VALUES (:run_id, :seq, :first_seq, :user_id, 'text.delta', :data, :at)
    """
).bindparams(bindparam("data", type_=JSONB))
_DONE: Final = text("UPDATE runs SET folded = true WHERE id = ANY(:ids)").bindparams(_IDS)


async def fold(db: Db, age_seconds: float) -> int:
    """Fold the logs of runs that ended `age_seconds` ago, some at a time; return how many there were."""
    async with db.begin() as session:
        old = {"age": age_seconds, "most": _RUNS_AT_ONCE}
        ids = [row.id for row in await session.execute(_OLD, old)]
        if not ids:
            return 0
        steps: dict[tuple[UUID, int, str], list[Row[Any]]] = defaultdict(list)
        for row in await session.execute(_TAKE, {"ids": ids}):
            steps[row.run_id, row.seq // ATTEMPT, row.data["step_id"]].append(row)
        folded = [_folded(sorted(rows, key=lambda row: row.seq)) for rows in steps.values()]
        if folded:
            await session.execute(_PUT, folded)
        await session.execute(_DONE, {"ids": ids})
    return len(ids)


def _folded(rows: list[Row[Any]]) -> dict[str, Any]:
    last = rows[-1]
    data = {
        "step_id": last.data["step_id"],
        "text": "".join(row.data["text"] for row in rows),
        "lengths": [length for row in rows for length in row.data["lengths"]],
    }
    return {
        "run_id": last.run_id,
        "seq": last.seq,
        "first_seq": rows[0].first_seq,
        "user_id": last.user_id,
        "data": data,
        "at": last.at,
    }
