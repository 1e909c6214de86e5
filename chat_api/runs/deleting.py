"""Deleting messages: what was said is erased everywhere; its place stays, for what follows it."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Integer
from sqlmodel import col

from chat_api.conversations.errors import MessageNotFound
from chat_api.conversations.models import Conversation, Message
from chat_api.conversations.service import ConversationNotFound
from chat_api.runs.errors import ConversationBusy
from chat_api.runs.models import Run
from kit.postgres import Db
from kit.postgres.tables import now

__all__ = ["delete_message"]

_RUNS: Final = bindparam("runs", type_=ARRAY(PG_UUID(as_uuid=True)))
_TURN: Final = text(
    """
    SELECT position FROM messages
    WHERE user_id = :user_id AND conversation_id = :conversation_id AND deleted_at IS NULL
        AND (position = :question OR parent_position = :question AND role = 'assistant')
    """
)
_MESSAGES: Final = text(
    """
    UPDATE messages SET content = '', tool_calls = '[]', deleted_at = :at, rating = NULL, comment = NULL,
        rated_at = NULL
    WHERE user_id = :user_id AND conversation_id = :conversation_id AND position = ANY(:positions)
    RETURNING role, run_id, position, role = 'assistant' OR NOT EXISTS (
        SELECT FROM messages AS answer
        WHERE answer.user_id = messages.user_id AND answer.conversation_id = messages.conversation_id
            AND answer.run_id = messages.run_id AND answer.role = 'assistant'
    ) AS with_log
    """
).bindparams(bindparam("positions", type_=ARRAY(Integer)))
# What is not the user's own was made of the user's first message, or by a model of the first four there were.
_TITLE: Final = text(
    """
    UPDATE conversations SET title = NULL, title_source = NULL
    WHERE id = :conversation_id
        AND (title_source = 'model' AND :first <= 8 OR title_source = 'message' AND (
            SELECT deleted_at IS NOT NULL FROM messages
            WHERE user_id = :user_id AND conversation_id = :conversation_id AND role = 'user'
            ORDER BY position LIMIT 1
        ))
    """
)
# The beginning and the end of a log stay, for who waits for it; all between is what was said and done.
_EVENTS: Final = text(
    """
    DELETE FROM events WHERE run_id = ANY(:runs)
        AND type NOT IN ('run.started', 'run.completed', 'run.failed', 'run.cancelled')
    """
).bindparams(_RUNS)
_DELETED: Final = """
    jsonb_build_object('code', {error} -> 'code', 'status', {error} -> 'status', 'message',
        'The message was deleted.', 'details', NULL, 'headers', NULL)
"""
_ENDS: Final = text(
    f"""
    UPDATE events SET data = data || jsonb_build_object('error', {_DELETED.format(error="(data -> 'error')")})
    WHERE run_id = ANY(:runs) AND type = 'run.failed'
    """  # noqa: S608
).bindparams(_RUNS)
# First, for it waits for whoever folds the log, and then there is nothing to fold.
_RUN: Final = text(
    f"""
    UPDATE runs SET folded = true,
        error = CASE WHEN error IS NOT NULL THEN {_DELETED.format(error="error")} END
    WHERE id = ANY(:runs)
    """  # noqa: S608
).bindparams(_RUNS)
# What tools have answered is kept for calls that are repeated, which those of a run that is over never are.
_RESULTS: Final = text(
    """
    DELETE FROM tool_effects WHERE user_id = :user_id
        AND left(key, 36) = ANY(SELECT CAST(id AS text) FROM unnest(:runs) AS id)
    """
).bindparams(_RUNS)
# One could guess a message by it. Whoever sends its key again hears that it was sent with something else.
_HASHES: Final = text(
    """
    UPDATE runs SET request_hash = '' WHERE user_id = :user_id AND conversation_id = :conversation_id
        AND position = ANY(:positions) AND request_hash IS NOT NULL
    """
).bindparams(bindparam("positions", type_=ARRAY(Integer)))


async def delete_message(
    db: Db, user_id: UUID, conversation_id: UUID, message_id: UUID, *, turn: bool
) -> None:
    """Erase a message; with its whole `turn`: what the user said, and all answers to it.

    Raises ConversationNotFound, MessageNotFound, and ConversationBusy while an answer to it is being made.
    """
    mine = {"user_id": user_id, "conversation_id": conversation_id}
    async with db.begin() as session:
        conversation = await session.get(Conversation, conversation_id, with_for_update={"key_share": True})
        if conversation is None or conversation.user_id != user_id or conversation.deleted_at is not None:
            raise ConversationNotFound
        message = await session.get(Message, message_id)
        if message is None or message.conversation_id != conversation_id or message.deleted_at is not None:
            raise MessageNotFound
        question = message.position if message.role == "user" else message.parent_position
        positions = [message.position]
        if turn and question is not None:
            positions = list(await session.scalars(_TURN, mine | {"question": question}))
        live = await _live(session, user_id, conversation_id)
        if any(position in live for position in positions):
            raise ConversationBusy
        await _erase(session, mine, positions)


async def _live(session: AsyncSession, user_id: UUID, conversation_id: UUID) -> set[int]:
    """The positions of the messages that are being answered, or wait to be."""
    live = select(col(Run.position)).where(
        col(Run.user_id) == user_id,
        col(Run.conversation_id) == conversation_id,
        col(Run.status).in_(["queued", "running", "requires_action"]),
    )
    return set(await session.scalars(live))


async def _erase(session: AsyncSession, mine: dict[str, Any], positions: list[int]) -> None:
    at = mine | {"positions": positions}
    rows = (await session.execute(_MESSAGES, at | {"at": now()})).all()
    # Who said nothing to the end has a log all the same, which goes with what was to be answered.
    runs = [row.run_id for row in rows if row.with_log and row.run_id is not None]
    if runs:
        for statement in (_RUN, _EVENTS, _ENDS):
            await session.execute(statement, {"runs": runs})
        await session.execute(_RESULTS, mine | {"runs": runs})
    if any(row.role == "user" for row in rows):
        await session.execute(_HASHES, at)
    await session.execute(_TITLE, mine | {"first": min(positions)})
