"""What people think of answers."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from sqlalchemy import Row, text

from chat_api.conversations.errors import MessageNotFound, NotAnAnswer
from kit.postgres import Db
from kit.postgres.tables import now

__all__ = ["KEPT_RATINGS", "RATINGS", "Rating", "list_feedback", "rate"]

Rating: TypeAlias = Literal["up", "down"]
RATINGS: Final[Mapping[int, Rating]] = {1: "up", -1: "down"}
"""As they are kept."""

KEPT_RATINGS: Final = {rating: kept for kept, rating in RATINGS.items()}

_THERE: Final = """
    user_id = :user_id AND conversation_id = :conversation_id AND id = :id AND deleted_at IS NULL
    AND EXISTS (SELECT FROM conversations WHERE id = :conversation_id AND deleted_at IS NULL)
"""
_RATE: Final = text(
    f"""
    WITH found AS (SELECT id, role FROM messages WHERE {_THERE}), rated AS (
        UPDATE messages SET rating = :rating, comment = :comment, rated_at = :at
        FROM found
        WHERE messages.id = found.id AND found.role = 'assistant' AND messages.deleted_at IS NULL
    )
    SELECT role FROM found
    """  # noqa: S608
)
_LIST: Final = text(
    """
    SELECT messages.id, messages.conversation_id, left(content, 200) AS preview, rating, comment, rated_at,
        conversations.title
    FROM messages JOIN conversations ON conversations.id = messages.conversation_id
    WHERE messages.user_id = :user_id AND rating IS NOT NULL AND messages.deleted_at IS NULL
        AND conversations.deleted_at IS NULL
        AND (CAST(:rating AS int) IS NULL OR rating = :rating)
        AND (CAST(:after AS uuid) IS NULL OR messages.id < :after)
    ORDER BY messages.id DESC LIMIT :n
    """
)


async def rate(
    db: Db,
    user_id: UUID,
    conversation_id: UUID,
    message_id: UUID,
    rating: Rating | None,
    comment: str | None = None,
) -> None:
    """Keep what the user thinks of an answer; None: nothing. Raises MessageNotFound, NotAnAnswer."""
    parameters = {
        "user_id": user_id,
        "conversation_id": conversation_id,
        "id": message_id,
        "rating": rating and KEPT_RATINGS[rating],
        "comment": comment,
        "at": None if rating is None else now(),
    }
    rows = await db.run(_RATE, parameters)
    if not rows:
        raise MessageNotFound
    if rows[0].role != "assistant":
        raise NotAnAnswer


async def list_feedback(
    db: Db, user_id: UUID, *, rating: Rating | None, after: UUID | None, limit: int
) -> tuple[Sequence[Row[Any]], UUID | None]:
    """A page of the user's feedback, that on the newest answers first, and where it goes on."""
    parameters = {
        "user_id": user_id,
        "rating": rating and KEPT_RATINGS[rating],
        "after": after,
        "n": limit + 1,
    }
    rows = await db.run(_LIST, parameters)
    return rows[:limit], rows[limit - 1].id if len(rows) > limit else None
