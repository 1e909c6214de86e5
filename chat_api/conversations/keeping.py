"""Making conversations, naming, archiving, deleting and restoring them."""

from collections.abc import Collection, Mapping
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from chat_api.auth.service import meet
from chat_api.conversations.service import ConversationNotFound
from kit.ids import new_id
from kit.postgres import Db
from kit.postgres.tables import now
from kit.tokens import Identity

__all__ = ["Action", "change", "create", "move"]

Action: TypeAlias = Literal["archive", "unarchive", "delete", "restore"]

_MOVES: Final[Mapping[Action, str]] = {
    "archive": "SET archived_at = coalesce(archived_at, :at) WHERE deleted_at IS NULL",
    "unarchive": "SET archived_at = NULL WHERE deleted_at IS NULL",
    "delete": "SET deleted_at = :at WHERE deleted_at IS NULL",
    "restore": "SET deleted_at = NULL WHERE true",
}
_CREATE: Final = text(
    """
    INSERT INTO conversations (id, user_id, next_position, title, title_source, agent_id, metadata,
        branched, created_at, updated_at)
    VALUES (:id, :user_id, 0, :title, :source, :agent_id, :metadata, false, :at, :at)
    """
).bindparams(bindparam("metadata", type_=JSONB))
_CHANGE: Final = text(
    """
    UPDATE conversations SET title = coalesce(:title, title),
        title_source = CASE WHEN CAST(:title AS text) IS NULL THEN title_source ELSE 'user' END,
        metadata = coalesce(:metadata, metadata),
        archived_at = CASE
            WHEN CAST(:archived AS boolean) THEN coalesce(archived_at, :at)
            WHEN CAST(:archived AS boolean) IS NULL THEN archived_at
        END
    WHERE id = :id AND user_id = :user_id AND deleted_at IS NULL
    RETURNING id
    """
).bindparams(bindparam("metadata", type_=JSONB(none_as_null=True)))


async def create(
    db: Db, identity: Identity, *, title: str | None, agent_id: UUID | None, metadata: dict[str, Any]
) -> UUID:
    """A conversation that nothing is said in yet."""
    id_ = new_id()
    parameters = {
        "id": id_,
        "user_id": identity.owner,
        "title": title,
        "source": None if title is None else "user",
        "agent_id": agent_id,
        "metadata": metadata,
        "at": now(),
    }
    async with db.begin() as session:
        await meet(session, identity)
        await session.execute(_CREATE, parameters)
    return id_


async def change(
    db: Db,
    user_id: UUID,
    conversation_id: UUID,
    *,
    title: str | None = None,
    metadata: dict[str, Any] | None = None,
    archived: bool | None = None,
) -> None:
    """Change what is given. Raises ConversationNotFound."""
    parameters = {
        "id": conversation_id,
        "user_id": user_id,
        "title": title,
        "metadata": metadata,
        "archived": archived,
        "at": now(),
    }
    if not await db.run(_CHANGE, parameters):
        raise ConversationNotFound


async def move(db: Db, user_id: UUID, ids: Collection[UUID], action: Action) -> set[UUID]:
    """Do that to the user's conversations of these ids; the ids of those that there were."""
    statement = text(
        f"UPDATE conversations {_MOVES[action]} AND user_id = :user_id AND id = ANY(:ids) RETURNING id"
    ).bindparams(bindparam("ids", type_=ARRAY(PG_UUID(as_uuid=True))))
    rows = await db.run(statement, {"user_id": user_id, "ids": list(ids), "at": now()})
    return {row.id for row in rows}
