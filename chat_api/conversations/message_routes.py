"""Messages of conversations, and what people think of them."""

from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query

from chat_api.auth.dependencies import Caller, Database
from chat_api.auth.schemas import Done
from chat_api.conversations import feedback, service
from chat_api.conversations.feedback import Rating
from chat_api.conversations.schemas import Feedback, FeedbackList, FeedbackOut, MessageOut, MessagePage

router = APIRouter(prefix="/api/v1/conversations", tags=["conversations"])

_ONE: Final = "/{conversation_id}/messages/{message_id}"


@router.get("/feedback")
async def list_feedback(
    caller: Caller,
    db: Database,
    rating: Rating | None = None,
    cursor: Annotated[UUID | None, Query(description="`next_cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> FeedbackList:
    """What one has thought of answers, the newest of them first."""
    found, more = await feedback.list_feedback(db, caller.owner, rating=rating, after=cursor, limit=limit)
    return FeedbackList(feedback=[FeedbackOut.of(row) for row in found], next_cursor=more)


@router.get("/{conversation_id}/messages")
async def list_messages(
    caller: Caller,
    db: Database,
    conversation_id: UUID,
    role: Literal["user", "assistant"] | None = None,
    order: Literal["asc", "desc"] = "asc",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str, Query(pattern=r"^\d{1,9}$", description="`next_cursor` of the page before")]
    | None = None,
    leaf: Annotated[
        UUID | Literal["newest"] | None,
        Query(description="Only this message and those that it follows: one way through the branches"),
    ] = None,
    *,
    onward: Annotated[
        bool, Query(description="And on from `leaf` to the newest message that follows it")
    ] = False,
) -> MessagePage:
    """The messages of one's own conversation, oldest first unless told otherwise."""
    after = None if cursor is None else int(cursor)
    found, more = await service.list_messages(
        db,
        caller.owner,
        conversation_id,
        after=after,
        limit=limit,
        role=role,
        newest_first=order == "desc",
        leaf=leaf,
        onward=onward,
    )
    return MessagePage(
        messages=[MessageOut.of(message, links) for message, links in found],
        next_cursor=None if more is None else str(more),
    )


@router.get(_ONE)
async def get_message(caller: Caller, db: Database, conversation_id: UUID, message_id: UUID) -> MessageOut:
    """One message."""
    return MessageOut.of(*await service.find_message(db, caller.owner, conversation_id, message_id))


@router.put(f"{_ONE}/feedback")
async def rate(
    caller: Caller, db: Database, conversation_id: UUID, message_id: UUID, body: Feedback
) -> MessageOut:
    """Say what one thinks of an answer, in place of what one has said before."""
    await feedback.rate(db, caller.owner, conversation_id, message_id, body.rating, body.comment)
    return MessageOut.of(*await service.find_message(db, caller.owner, conversation_id, message_id))


@router.delete(f"{_ONE}/feedback")
async def unrate(caller: Caller, db: Database, conversation_id: UUID, message_id: UUID) -> Done:
    """Take back what one thought of an answer. Safe to repeat."""
    await feedback.rate(db, caller.owner, conversation_id, message_id, None)
    return Done(message="Feedback deleted successfully")
