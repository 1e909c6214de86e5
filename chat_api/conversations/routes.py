"""Reading conversations."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from chat_api.auth.dependencies import Caller, Database
from chat_api.conversations import service
from chat_api.conversations.schemas import MessageOut, MessagePage

router = APIRouter(prefix="/api/v1/conversations", tags=["conversations"])


@router.get("/{conversation_id}/messages")
async def list_messages(
    caller: Caller,
    db: Database,
    conversation_id: UUID,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str, Query(pattern=r"^\d{1,9}$", description="`next_cursor` of the page before")]
    | None = None,
) -> MessagePage:
    """The messages of one's own conversation, oldest first."""
    after = -1 if cursor is None else int(cursor)
    found, more = await service.list_messages(db, caller.owner, conversation_id, after=after, limit=limit)
    return MessagePage(
        messages=[MessageOut.model_validate(message, from_attributes=True) for message in found],
        next_cursor=None if more is None else str(more),
    )
