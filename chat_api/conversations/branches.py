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

_MOST_SIBLINGS: Final = 200

_IDS: Final = bindparam("ids", type_=ARRAY(PG_UUID(as_uuid=True)))
_MINE: Final = "user_id = :user_id AND conversation_id = :conversation_id"
_ABOVE: Final = f"""
    SELECT id, position, parent_position, deleted_at FROM messages
    WHERE {_MINE} AND position BETWEEN {{0}}.parent_position - 1 AND {{0}}.parent_position
    ORDER BY position DESC LIMIT 1
"""  # noqa: S608
_PATH: Final = f"""
    WITH RECURSIVE below AS (
        (
            SELECT position, parent_position FROM messages WHERE {_MINE} AND {{which}}
            ORDER BY position DESC LIMIT 1
        )
        UNION ALL
        SELECT above.position, above.parent_position FROM below
        CROSS JOIN LATERAL ({_ABOVE.format("below")}) AS above
    )
    SELECT position FROM below
"""  # noqa: S608
# What follows a message, as `_ABOVE` has it the other way round. Without the owner, one index alone will do;
# of two, old statistics have led to the one that reads the whole conversation for each message.
_NEWEST_AFTER: Final = f"""
    position = (
        WITH RECURSIVE above AS (
            SELECT position FROM messages WHERE {_MINE} AND id = :leaf
            UNION ALL
            SELECT below.position FROM above
            CROSS JOIN LATERAL (
                SELECT position, parent_position FROM messages WHERE conversation_id = :conversation_id
                    AND parent_position BETWEEN above.position AND above.position + 1
                OFFSET 0
            ) AS below
            CROSS JOIN LATERAL ({_ABOVE.format("below")}) AS parent
            WHERE parent.position = above.position
        )
        SELECT max(position) FROM above
    )
"""  # noqa: S608
_TO_LEAF: Final = text(_PATH.format(which="id = :leaf"))
_ONWARD: Final = text(_PATH.format(which=_NEWEST_AFTER))
_TO_NEWEST: Final = text(_PATH.format(which="true"))
_LINKS: Final = text(
    f"""
    SELECT below.id, parent.id AS parent_id, parent.deleted_at IS NOT NULL AS is_orphan,
        CASE WHEN :branched THEN ARRAY(
            SELECT beside.id FROM (
                (SELECT id, position FROM messages
                WHERE conversation_id = :conversation_id AND parent_position = below.parent_position
                    AND deleted_at IS NULL
                ORDER BY position LIMIT {_MOST_SIBLINGS})
                UNION ALL
                (SELECT id, position FROM messages
                WHERE below.parent_position IS NULL AND conversation_id = :conversation_id
                    AND parent_position IS NULL AND deleted_at IS NULL
                ORDER BY position LIMIT {_MOST_SIBLINGS})
            ) AS beside ORDER BY beside.position
        ) ELSE ARRAY[below.id] END AS siblings
    FROM messages AS below LEFT JOIN LATERAL ({_ABOVE.format("below")}) AS parent ON true
    WHERE below.id = ANY(:ids)
    """  # noqa: S608
).bindparams(_IDS)
# Apart, for it is seldom needed, and Postgres takes it for expensive.
_ORPHANS: Final = text(
    f"""
    SELECT below.id, (
        WITH RECURSIVE up AS (
            SELECT * FROM ({_ABOVE.format("below")}) AS parent
            UNION ALL
            SELECT above.* FROM up CROSS JOIN LATERAL ({_ABOVE.format("up")}) AS above
            WHERE up.deleted_at IS NOT NULL
        )
        SELECT id FROM up WHERE deleted_at IS NULL
    ) AS parent_id
    FROM messages AS below WHERE below.id = ANY(:ids)
    """  # noqa: S608
).bindparams(_IDS)


class Links(NamedTuple):
    """The message that one follows, but for deleted ones; those in its place, the oldest first."""

    parent_id: UUID | None
    siblings: list[UUID]


async def path_to(
    session: AsyncSession, conversation: Conversation, leaf: Leaf, *, onward: bool = False
) -> list[int]:
    """The positions of a message and of all that it follows. Raises MessageNotFound.

    `onward`: of the newest message that follows it, in its place.
    """
    mine = {"user_id": conversation.user_id, "conversation_id": conversation.id}
    if leaf == "newest":
        return list(await session.scalars(_TO_NEWEST, mine))
    found = list(await session.scalars(_ONWARD if onward else _TO_LEAF, mine | {"leaf": leaf}))
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
    rows = (await session.execute(_LINKS, parameters)).all()
    parents: dict[UUID, UUID | None] = {row.id: row.parent_id for row in rows}
    orphans = [row.id for row in rows if row.is_orphan]
    if orphans:
        found = await session.execute(_ORPHANS, parameters | {"ids": orphans})
        parents |= {row.id: row.parent_id for row in found}
    return {row.id: Links(parents[row.id], row.siblings) for row in rows}
