"""What the user is asked about calls of a run, and what they decide."""

from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from chat_api.runs.errors import NothingToDecide
from chat_api.runs.events import ATTEMPT
from kit.postgres import Db
from kit.postgres.tables import now

__all__ = ["Decision", "decide", "pending"]

_SHOWN: Final = ("step_id", "name", "arguments", "reason")
_OPEN: Final = """
    SELECT asked.seq, asked.data FROM events AS asked
    WHERE asked.run_id = :run_id AND asked.type = 'approval.requested' AND NOT EXISTS (
        SELECT FROM events AS later
        WHERE later.run_id = :run_id AND later.type = 'step.updated' AND later.seq > asked.seq
            AND later.data ->> 'step_id' = asked.data ->> 'step_id'
    )
"""
_PENDING: Final = text(
    f"""
    WITH open AS ({_OPEN}) SELECT seq, data FROM open
    WHERE EXISTS (SELECT FROM runs WHERE id = :run_id AND status = 'requires_action') ORDER BY seq
    """  # noqa: S608
)
# Two who decide about two calls of a run would each find the other's open.
_LOCK: Final = text("SELECT FROM runs WHERE id = :run_id AND user_id = :user_id FOR NO KEY UPDATE")
_DECIDE: Final = text(
    f"""
    WITH open AS ({_OPEN}), decided AS (
        UPDATE runs SET attempt = attempt + 1,
            status = CASE WHEN (SELECT count(*) FROM open) = 1 THEN 'queued' ELSE status END
        WHERE user_id = :user_id AND id = :run_id AND status = 'requires_action'
            AND EXISTS (
                SELECT FROM open WHERE data ->> 'step_id' = :step_id
                    AND (seq = :seq OR CAST(:seq AS bigint) IS NULL AND data ->> 'reason' = 'approval')
            )
        RETURNING id, user_id, conversation_id, attempt, status
    ), added AS (
        INSERT INTO events (run_id, seq, first_seq, user_id, type, data, at)
        SELECT id, seq, seq, user_id, 'step.updated', :data, :at
        FROM (SELECT *, CAST(attempt AS bigint) * {ATTEMPT} + 1 AS seq FROM decided) AS decided
    ), told AS (
        SELECT pg_notify('turnlog', 'n' || replace(concat(user_id, conversation_id, id), '-', ''))
        FROM decided
        UNION ALL
        SELECT pg_notify('turnlog', 'w') FROM decided WHERE status = 'queued'
    )
    SELECT count(*) AS told FROM told
    """  # noqa: S608
).bindparams(bindparam("data", type_=JSONB))
_DECIDED: Final = text(
    """
    SELECT FROM events
    WHERE run_id = :run_id AND user_id = :user_id AND type = 'step.updated' AND data = :data LIMIT 1
    """
).bindparams(bindparam("data", type_=JSONB))


@dataclass(frozen=True, slots=True)
class Decision:
    """`approve`: the call is made, with the `arguments` that are given instead of the model's, if any.

    `reject`: it is not made, and the model is told the `reason`. `seq` is the number of the event that asked:
    a call that was approved may be asked about once more.
    """

    step_id: str
    decision: Literal["approve", "reject"]
    reason: str | None = None
    arguments: dict[str, Any] | None = None
    seq: int | None = None

    @property
    def data(self) -> dict[str, Any]:
        """What the log keeps of it."""
        also = {"reason": self.reason, "arguments": self.arguments, "asked": self.seq}
        given = {name: value for name, value in also.items() if value is not None}
        return {"step_id": self.step_id, "decision": self.decision, **given}


async def decide(db: Db, user_id: UUID, run_id: UUID, decision: Decision) -> None:
    """Keep the decision; the run goes on once there is one about each call. Safe to repeat.

    Raises NothingToDecide where the run does not wait for that.
    """
    which = {"user_id": user_id, "run_id": run_id}
    told = {**which, "step_id": decision.step_id, "seq": decision.seq, "data": decision.data, "at": now()}
    async with db.begin() as session:
        await session.execute(_LOCK, which)
        if (await session.execute(_DECIDE, told)).scalar_one():
            return
        # One that was sent again is kept already.
        if not (await session.execute(_DECIDED, {**which, "data": decision.data})).all():
            raise NothingToDecide


async def pending(db: Db, run_id: UUID) -> list[dict[str, Any]]:
    """The calls that the run waits for a decision about, as they were asked."""
    rows = await db.run(_PENDING, {"run_id": run_id})
    return [{name: row.data.get(name) for name in _SHOWN} | {"seq": row.seq} for row in rows]
