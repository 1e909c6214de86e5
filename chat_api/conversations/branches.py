"""The ways through a conversation that branches, for who shows it."""

from collections.abc import Collection, Mapping
from typing import Final, Literal, NamedTuple, TypeAlias
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncSession

from chat_api.conversations.errors import MessageNotFound
from chat_api.conversations.models import Conversation

__all__ = ["Leaf", "Links", "links_of", "path_to"]

Leaf: TypeAlias = UUID | Literal["newest"]

_MINE: Final = "user_id = :user_id AND conversation_id = :conversation_id"
_ABOVE: Final = f"""
    SELECT id, position, parent_position FROM messages
    WHERE {_MINE} AND position BETWEEN below.parent_position - 1 AND below.parent_position
    ORDER BY position DESC LIMIT 1
"""  # noqa: S608
_PATH: Final = f"""
    WITH RECURSIVE below AS (
        (
            SELECT position, parent_position FROM messages WHERE {_MINE} AND {{which}}
            ORDER BY position DESC LIMIT 1
        )
        UNION ALL
        SELECT above.position, above.parent_position FROM below CROSS JOIN LATERAL ({_ABOVE}) AS above
    )
    SELECT position FROM below
"""  # noqa: S608
_TO_LEAF: Final = text(_PATH.format(which="id = :leaf"))
_TO_NEWEST: Final = text(_PATH.format(which="true"))
_LINKS: Final = text(
    f"""
    SELECT below.id, (SELECT above.id FROM ({_ABOVE}) AS above) AS parent_id,
        CASE WHEN :branched THEN ARRAY(
            SELECT beside.id FROM (
                SELECT id, position FROM messages
                WHERE conversation_id = :conversation_id AND parent_position = below.parent_position
                    AND deleted_at IS NULL
                UNION ALL
                SELECT id, position FROM messages
                WHERE below.parent_position IS NULL AND conversation_id = :conversation_id
                    AND parent_position IS NULL AND deleted_at IS NULL
            ) AS beside ORDER BY beside.position
        ) ELSE ARRAY[below.id] END AS siblings
    FROM messages AS below WHERE below.id = ANY(:ids)
    """  # noqa: S608
).bindparams(bindparam("ids", type_=ARRAY(PG_UUID(as_uuid=True))))


class Links(NamedTuple):
    """The message that one follows, and those that follow the same, itself among them, oldest first."""

    parent_id: UUID | None
    siblings: list[UUID]


async def path_to(session: AsyncSession, conversation: Conversation, leaf: Leaf) -> list[int]:
    """The positions of a message and of all that it follows. Raises MessageNotFound."""
    mine = {"user_id": conversation.user_id, "conversation_id": conversation.id}
    if leaf == "newest":
        return list(await session.scalars(_TO_NEWEST, mine))
    found = list(await session.scalars(_TO_LEAF, mine | {"leaf": leaf}))
    if not found:
        raise MessageNotFound
    return found


async def links_of(
    session: AsyncSession, conversation: Conversation, ids: Collection[UUID]
) -> Mapping[UUID, Links]:
    """What the messages of these ids follow."""
    parameters = {
        "user_id": conversation.user_id,
        "conversation_id": conversation.id,
        "branched": conversation.branched,
        "ids": list(ids),
    }
    return {row.id: Links(row.parent_id, row.siblings) for row in await session.execute(_LINKS, parameters)}
