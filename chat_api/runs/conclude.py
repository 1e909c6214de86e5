"""The last transaction of a turn, one statement: its answer, its state and its last event."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

import structlog
from sqlalchemy import bindparam, func, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import col

from chat_api.runs.errors import LeaseLost
from chat_api.runs.events import Event
from chat_api.runs.lease import Claim
from chat_api.runs.log import INSERT_ROWS, RunLog
from chat_api.runs.models import FINAL, Run
from kit.ids import new_id
from kit.postgres import Db
from kit.postgres.errors import AWAY

__all__ = ["End", "Status", "conclude"]

_PATIENCE: Final = 15.0
_PAUSE: Final = 0.2
_log = structlog.get_logger(__name__)

Status: TypeAlias = Literal["completed", "failed", "cancelled", "requires_action"]

_CONCLUDE: Final = text(
    f"""
    WITH fenced AS (
        UPDATE runs SET provider = coalesce(CAST(:provider AS text), provider),
            model = coalesce(CAST(:model AS text), model), usage = :usage,
            cost_usd = coalesce(CAST(:cost_usd AS numeric), CASE WHEN usage = :usage THEN cost_usd END),
            fallbacks = :fallbacks,
            error = :error, finished_at = CASE WHEN :is_final THEN CAST(:at AS timestamptz) END,
            status = CASE
                WHEN cancel_requested AND NOT :is_final THEN 'queued' ELSE CAST(:status AS text)
            END
        WHERE id = :run_id AND attempt = :attempt AND status = 'running'
            AND (lease_until > now() OR CAST(:status AS text) <> 'failed')
            AND EXISTS (SELECT FROM events WHERE run_id = :run_id AND seq = :last)
        RETURNING id, user_id, position, answer_position, status
    ), answer AS (
        INSERT INTO messages
            (id, user_id, conversation_id, run_id, position, parent_position, role, content, tool_calls,
            status, created_at)
        SELECT :message_id, user_id, :conversation_id, id, answer_position, position, 'assistant', :content,
            :tool_calls, :status, :at
        FROM fenced WHERE :answered
    ), added AS (
        {INSERT_ROWS} ON CONFLICT DO NOTHING
    )
    SELECT fenced.id, fenced.status = 'queued' OR EXISTS (
        SELECT FROM runs WHERE user_id = fenced.user_id AND conversation_id = :conversation_id
            AND status = 'queued'
    ) AS more
    FROM fenced
    """  # noqa: S608
).bindparams(
    bindparam("usage", type_=JSONB(none_as_null=True)),
    bindparam("error", type_=JSONB(none_as_null=True)),
    bindparam("tool_calls", type_=JSONB),
    bindparam("fallbacks", type_=JSONB),
    bindparam("rows", type_=JSONB),
)


@dataclass(frozen=True, slots=True)
class End:
    """How a turn ended. `text` and `tool_calls` are what was said and done, whatever the `status`.

    `requests` are the calls that the user is to decide about before it goes on. `message_id` is what the
    answer is to be called, if there is one. Who answered and what it cost stay as they are kept, where they
    are None and no more calls came to it.
    """

    status: Status
    text: str = ""
    tool_calls: tuple[dict[str, Any], ...] = ()
    usage: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    provider: str | None = None
    model: str | None = None
    cost_usd: Decimal | None = None
    requests: tuple[dict[str, Any], ...] = ()
    message_id: UUID = field(default_factory=new_id)
    fallbacks: tuple[dict[str, Any], ...] = ()


async def conclude(
    db: Db, turn: Claim, log: RunLog, end: End, last: dict[str, Any]
) -> tuple[Sequence[Event], bool]:
    """Keep how the turn ended, with what its log still has to write and the last event, of data `last`.

    Returns that event, or those of its requests, which no reader has seen yet; and whether another turn of
    the conversation waits.
    Raises LeaseLost where another attempt has the run, or the database is away for too long.
    """
    # What follows another answer finds its way by it, also by one that says nothing.
    answered = end.status == "completed" or bool(end.text or end.tool_calls) or turn.place.is_again
    data = {
        "conversation_id": str(turn.conversation_id),
        "message_id": str(end.message_id) if answered else None,
        "usage": end.usage,
        **last,
    }
    events = _last(log, end, data)
    parameters: dict[str, Any] = {
        "run_id": turn.run_id,
        "attempt": turn.attempt,
        "status": end.status,
        "is_final": end.status in FINAL,
        "provider": end.provider,
        "model": end.model,
        "usage": end.usage,
        "cost_usd": end.cost_usd,
        "fallbacks": list(end.fallbacks),
        "error": end.error,
        "message_id": end.message_id,
        "conversation_id": turn.conversation_id,
        "content": end.text,
        "tool_calls": list(end.tool_calls),
        "answered": answered and end.status in FINAL,
        "at": events[-1].at,
    }
    try:
        async with asyncio.timeout(_PATIENCE), log.lock:
            log.take(*events)
            return events, await _until_kept(db, turn, log, parameters)
    except TimeoutError as error:
        raise LeaseLost from error


def _last(log: RunLog, end: End, data: dict[str, Any]) -> list[Event]:
    if end.status == "requires_action":
        return [log.make("approval.requested", data | request) for request in end.requests]
    return [log.make(f"run.{end.status}", data)]


async def _until_kept(db: Db, turn: Claim, log: RunLog, parameters: dict[str, Any]) -> bool:
    while True:
        parameters |= {"rows": log.take(), "last": log.last}
        try:
            rows = await db.run(_CONCLUDE, parameters)
            if not rows and not await _is_kept(db, turn, parameters["status"]):
                # Of this attempt still: then rows are missing that the database had not promised to keep.
                log.rewind()
                await asyncio.sleep(_PAUSE)
                continue
        except LeaseLost:
            log.lose()
            raise
        except AWAY as error:
            _log.warning("end_not_kept", reason=type(error).__name__)
            await asyncio.sleep(_PAUSE)
            continue
        log.confirm(durable=True)
        return bool(rows and rows[0].more)


async def _is_kept(db: Db, turn: Claim, status: str) -> bool:
    """Whether an earlier try did it, whose answer was lost. Raises LeaseLost where none can any more."""
    ended = (col(Run.lease_until) < func.now()).label("ended")
    state = select(col(Run.attempt), col(Run.status), ended).where(col(Run.id) == turn.run_id)
    async with db() as session:
        found = (await session.execute(state)).one_or_none()
    if found is None or found.attempt != turn.attempt:
        raise LeaseLost
    if found.status == "running":
        # A process that slept beyond its lease takes its own sleep for a failure of others.
        if found.ended and status == "failed":
            raise LeaseLost
        return False
    # One that was to wait for a decision was cancelled meanwhile.
    if found.status in {status, "queued"}:
        return True
    raise LeaseLost
