"""Where a turn stands in its conversation, and what was said before it."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import text

from chat_api.conversations.history import Said
from kit.postgres import Db

__all__ = ["Place", "recent_messages"]

_MOST_REHYDRATED: Final = 400
_RECENT: Final = text(
    """
    SELECT id, role, content, tool_calls
    FROM (
        SELECT newest.*, sum(size) OVER (ORDER BY position DESC) - size AS newer
        FROM (
            SELECT id, role, content, tool_calls, position,
                pg_column_size(content) + pg_column_size(tool_calls) AS size
            FROM messages
            WHERE user_id = :user_id AND conversation_id = :conversation_id AND position < :position
            ORDER BY position DESC LIMIT :most
        ) AS newest
    ) AS said
    WHERE newer < :most_bytes ORDER BY position
    """
)
# Where a turn has no answer, what follows it follows the place of one: then the way up is from there.
_AT: Final = """
    SELECT id, role, content, tool_calls, parent_position,
        pg_column_size(content) + pg_column_size(tool_calls) AS size
    FROM messages
    WHERE user_id = :user_id AND conversation_id = :conversation_id AND position BETWEEN {at} - 1 AND {at}
    ORDER BY position DESC LIMIT 1
"""
_RECENT_OF_BRANCH: Final = text(
    f"""
    WITH RECURSIVE said AS (
        SELECT newest.*, 1 AS number, 0 AS newer FROM ({_AT.format(at="CAST(:parent AS int)")}) AS newest
        UNION ALL
        SELECT older.*, number + 1, newer + said.size
        FROM said CROSS JOIN LATERAL ({_AT.format(at="said.parent_position")}) AS older
        WHERE number < :most AND newer + said.size < :most_bytes
    )
    SELECT id, role, content, tool_calls FROM said ORDER BY number DESC
    """  # noqa: S608
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a turn stands: its user message at `position`, after the one at `parent`; its answer at `answer`.

    `branched`: not every message of the conversation before it is one that it follows.
    """

    conversation_id: UUID
    position: int
    answer: int
    parent: int | None = None
    branched: bool = False

    @property
    def is_first(self) -> bool:
        """Whether nothing was said before it."""
        return self.parent is None

    @property
    def is_again(self) -> bool:
        """Whether its answer is another one to a message that had one."""
        return self.answer != self.position + 1


async def recent_messages(db: Db, user_id: UUID, place: Place, *, most_bytes: int) -> list[Said]:
    """What was said before `place`, oldest first: the newest messages, by one index.

    The last that is read is the first to take them over `most_bytes`, as Postgres keeps them.
    """
    parameters = {
        "user_id": user_id,
        "conversation_id": place.conversation_id,
        "position": place.position,
        "parent": place.parent,
        "most": _MOST_REHYDRATED,
        "most_bytes": most_bytes,
    }
    wanted = _RECENT_OF_BRANCH if place.branched else _RECENT
    return [Said(*row) for row in await db.run(wanted, parameters)]
