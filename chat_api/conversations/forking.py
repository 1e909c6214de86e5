"""Copying a branch of a conversation into one of its own."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.types import Integer

from chat_api.conversations.branches import path_to
from chat_api.conversations.crowding import room_in
from chat_api.conversations.service import get_owned
from kit.ids import new_id
from kit.postgres import Db
from kit.postgres.tables import now

__all__ = ["fork"]

_CONVERSATION: Final = text(
    """
    INSERT INTO conversations (id, user_id, next_position, title, title_source, agent_id, metadata,
        branched, created_at, updated_at)
    SELECT :new_id, user_id, :next_position, coalesce(:title, title),
        CASE WHEN CAST(:title AS text) IS NULL THEN title_source ELSE 'user' END, agent_id, metadata,
        false, :at, :at
    FROM conversations WHERE id = :id
    """
)
_COPY: Final = text(
    """
    INSERT INTO messages (id, user_id, conversation_id, position, parent_position, role, content, tool_calls,
        status, created_at, deleted_at)
    SELECT copy.id, user_id, :new_id, copy.place, CASE WHEN copy.number > 1 THEN copy.place - 1 END, role,
        content, tool_calls, status, created_at, deleted_at
    FROM unnest(:ids, :positions, :places) WITH ORDINALITY AS copy (id, position, place, number)
    JOIN messages ON user_id = :user_id AND conversation_id = :id AND messages.position = copy.position
    """
).bindparams(
    bindparam("ids", type_=ARRAY(PG_UUID(as_uuid=True))),
    bindparam("positions", type_=ARRAY(Integer)),
    bindparam("places", type_=ARRAY(Integer)),
)


async def fork(
    db: Db, user_id: UUID, conversation_id: UUID, *, message_id: UUID | None, title: str | None
) -> UUID:
    """Make a conversation of the messages up to this one, or to the newest, with their tool calls.

    The copies have no run and no feedback. Raises ConversationNotFound, MessageNotFound.
    """
    new = new_id()
    async with room_in(db), db.begin() as session:
        conversation = await get_owned(session, user_id, conversation_id)
        path = sorted(await path_to(session, conversation, message_id or "newest"))
        places = _places(path)
        parameters: dict[str, Any] = {
            "user_id": user_id,
            "id": conversation_id,
            "new_id": new,
            "next_position": places[-1] // 2 * 2 + 2 if places else 0,
            "title": title,
            "ids": [new_id() for _ in path],
            "positions": path,
            "places": places,
            "at": now(),
        }
        await session.execute(_CONVERSATION, parameters)
        await session.execute(_COPY, parameters)
    return new


def _places(path: Sequence[int]) -> list[int]:
    """Positions for these messages: each turn has two, of which the second, which is odd, is its answer's."""
    places: list[int] = []
    turn = 0 if path and path[0] % 2 else -1
    for position in path:
        turn += position % 2 == 0
        places.append(turn * 2 + position % 2)
    return places
