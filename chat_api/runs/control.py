"""Cancelling runs."""

from typing import Final
from uuid import UUID

from sqlalchemy import text

from chat_api.runs.events import ATTEMPT
from kit.postgres import Db
from kit.postgres.tables import now

__all__ = ["cancel", "cancel_all", "cancel_of"]

# What follows another answer finds its way by it: one that does not come is kept as one that says nothing.
# One UPDATE, which decides anew where it had to wait for a claim or for the end of an attempt.
_CANCEL: Final = """
    WITH touched AS (
        UPDATE runs SET cancel_requested = true,
            status = CASE
                WHEN status = 'queued' AND attempt = 0 THEN 'cancelled'
                WHEN status = 'requires_action' THEN 'queued'
                ELSE status
            END,
            finished_at = CASE WHEN status = 'queued' AND attempt = 0 THEN CAST(:at AS timestamptz) END,
            attempt = greatest(attempt, 1)
        WHERE user_id = :user_id AND {which} AND status IN ('queued', 'running', 'requires_action')
        RETURNING id, user_id, conversation_id, position, answer_position, status
    ), asked AS (
        SELECT * FROM touched WHERE status <> 'cancelled'
    ), unstarted AS (
        SELECT * FROM touched WHERE status = 'cancelled'
    ), added AS (
        INSERT INTO events (run_id, seq, first_seq, user_id, type, data, at)
        SELECT id, {first}, {first}, user_id, 'run.cancelled',
            jsonb_build_object('conversation_id', conversation_id, 'usage', null, 'message_id',
                CASE WHEN answer_position > position + 1 THEN id END), :at
        FROM unstarted
    ), answers AS (
        INSERT INTO messages
            (id, user_id, conversation_id, run_id, position, parent_position, role, content, tool_calls,
            status, created_at)
        SELECT id, user_id, conversation_id, id, answer_position, position, 'assistant', '', '[]',
            'cancelled', :at
        FROM unstarted WHERE answer_position > position + 1
    ), told AS (
        SELECT pg_notify('turnlog', 'c' || replace(CAST(id AS text), '-', '')) FROM asked
        UNION ALL
        SELECT pg_notify('turnlog', 'w') FROM asked WHERE status = 'queued'
        UNION ALL
        SELECT pg_notify('turnlog', 'n' || replace(concat(user_id, conversation_id, id), '-', ''))
        FROM unstarted
    )
    SELECT count(*) FROM told
"""
_CANCEL_ONE: Final = text(_CANCEL.format(which="id = :run_id", first=ATTEMPT + 1))
_CANCEL_ALL: Final = text(
    _CANCEL.format(
        which="""conversation_id = :conversation_id AND NOT EXISTS (
            SELECT FROM runs AS same WHERE same.user_id = :user_id AND same.idempotency_key = :but
        )""",
        first=ATTEMPT + 1,
    )
)
_CANCEL_OF: Final = text(_CANCEL.format(which="true", first=ATTEMPT + 1))


async def cancel(db: Db, user_id: UUID, run_id: UUID) -> None:
    """Have the user's run stopped by whoever drives it, or end it where nobody does. Safe to repeat."""
    await db.run(_CANCEL_ONE, {"user_id": user_id, "run_id": run_id, "at": now()})


async def cancel_all(db: Db, user_id: UUID, conversation_id: UUID, *, but: str | None) -> None:
    """The same for every run of a conversation that is not over; for none where there is one of key `but`."""
    parameters = {"user_id": user_id, "conversation_id": conversation_id, "but": but, "at": now()}
    await db.run(_CANCEL_ALL, parameters)


async def cancel_of(db: Db, user_id: UUID) -> None:
    """The same for every run of the user that is not over."""
    await db.run(_CANCEL_OF, {"user_id": user_id, "at": now()})
