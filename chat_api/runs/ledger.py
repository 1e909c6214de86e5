"""The two transactions of a turn, each one statement: before the model, and after it."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError

from chat_api.conversations.service import ConversationNotFound, Place
from chat_api.runs.errors import ConversationBusy, Interrupted
from chat_api.runs.lease import end_expired
from chat_api.runs.models import ONE_LIVE_RUN
from kit.ids import new_id
from kit.postgres import Db
from kit.postgres.errors import violated
from kit.postgres.tables import now
from kit.tokens import Identity

__all__ = ["Acknowledged", "Outcome", "acknowledge", "conclude"]

_PAUSE_SECONDS: Final = 1.0
_NEW_CONVERSATION: Final = text(
    """
    WITH person AS (
        INSERT INTO users (id, issuer, subject, created_at) VALUES (:user_id, :issuer, :subject, :at)
        ON CONFLICT DO NOTHING
    ), conversation AS (
        INSERT INTO conversations (id, user_id, next_position, created_at, updated_at)
        VALUES (:conversation_id, :user_id, 2, :at, :at)
    ), run AS (
        INSERT INTO runs (id, user_id, conversation_id, status, lease_owner, lease_until, created_at)
        VALUES (:run_id, :user_id, :conversation_id, 'running', :worker, now() + interval '10 seconds', :at)
    )
    INSERT INTO messages
        (id, user_id, conversation_id, run_id, position, role, content, tool_calls, created_at)
    VALUES (:message_id, :user_id, :conversation_id, :run_id, 0, 'user', :content, '[]', :at)
    RETURNING position
    """
)
_NEXT_TURN: Final = text(
    """
    WITH place AS (
        UPDATE conversations SET next_position = next_position + 2, updated_at = :at
        WHERE id = :conversation_id AND user_id = :user_id
        RETURNING next_position - 2 AS position
    ), run AS (
        INSERT INTO runs (id, user_id, conversation_id, status, lease_owner, lease_until, created_at)
        SELECT :run_id, :user_id, :conversation_id, 'running', :worker, now() + interval '10 seconds', :at
        FROM place
    )
    INSERT INTO messages
        (id, user_id, conversation_id, run_id, position, role, content, tool_calls, created_at)
    SELECT :message_id, :user_id, :conversation_id, :run_id, position, 'user', :content, '[]', :at FROM place
    RETURNING position
    """
)
_END: Final = text(
    """
    WITH run AS (
        UPDATE runs SET status = :status, provider = :provider, model = :model, usage = :usage,
            error = :error, finished_at = :at
        WHERE id = :run_id AND lease_owner = :worker AND status = 'running'
        RETURNING id
    ), answer AS (
        INSERT INTO messages
            (id, user_id, conversation_id, run_id, position, role, content, tool_calls, created_at)
        SELECT :message_id, :user_id, :conversation_id, id, :position, 'assistant', :content, :tool_calls, :at
        FROM run WHERE :answered
    )
    SELECT id FROM run
    """
).bindparams(
    bindparam("usage", type_=JSONB(none_as_null=True)),
    bindparam("error", type_=JSONB(none_as_null=True)),
    bindparam("tool_calls", type_=JSONB),
)


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A turn whose user message is in the database."""

    run_id: UUID
    identity: Identity
    place: Place


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a turn ended: `text` and `usage`, or `error`; `tool_calls` were made in either case."""

    text: str = ""
    tool_calls: tuple[dict[str, Any], ...] = ()
    usage: dict[str, int] | None = None
    error: dict[str, str] | None = None
    provider: str | None = None
    model: str | None = None


async def acknowledge(
    db: Db, worker: UUID, identity: Identity, conversation_id: UUID | None, content: str
) -> Acknowledged:
    """Keep the user's message, and take the conversation's one live run for `worker`.

    Raises ConversationNotFound for an id that is unknown or somebody else's, ConversationBusy while another
    turn of the conversation runs.
    """
    run_id, place_id = new_id(), conversation_id or new_id()
    parameters = {
        "user_id": identity.owner,
        "issuer": identity.issuer,
        "subject": identity.subject,
        "conversation_id": place_id,
        "run_id": run_id,
        "message_id": new_id(),
        "worker": worker,
        "content": content,
        "at": now(),
    }
    statement = _NEW_CONVERSATION if conversation_id is None else _NEXT_TURN
    try:
        rows = await db.run(statement, parameters)
    except IntegrityError as error:
        if violated(error) != ONE_LIVE_RUN:
            raise
        if not await end_expired(db, identity.owner, place_id):
            raise ConversationBusy from error
        return await acknowledge(db, worker, identity, conversation_id, content)
    if not rows:
        raise ConversationNotFound
    return Acknowledged(run_id, identity, Place(place_id, rows[0].position))


async def conclude(db: Db, worker: UUID, turn: Acknowledged, outcome: Outcome) -> datetime:
    """Keep how the turn ended: its answer, or why there is none with the calls that were made.

    Raises Interrupted where `worker` has lost the run meanwhile.
    """
    at = now()
    parameters = {
        "run_id": turn.run_id,
        "worker": worker,
        "status": "failed" if outcome.error else "completed",
        "provider": outcome.provider,
        "model": outcome.model,
        "usage": outcome.usage,
        "error": outcome.error,
        "message_id": new_id(),
        "user_id": turn.identity.owner,
        "conversation_id": turn.place.conversation_id,
        "position": turn.place.position + 1,
        "content": outcome.text,
        "tool_calls": list(outcome.tool_calls),
        "answered": outcome.error is None or bool(outcome.tool_calls),
        "at": at,
    }
    try:
        ended = await db.run(_END, parameters)
    except (OperationalError, InterfaceError):
        # Once more, for a database that was away for a moment: an end that was kept is not kept twice.
        await asyncio.sleep(_PAUSE_SECONDS)
        ended = await db.run(_END, parameters)
    if not ended:
        raise Interrupted
    return at
