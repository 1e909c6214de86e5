"""Messages on the wire."""

from datetime import datetime
from typing import Any, Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

from chat_api.conversations.branches import Links
from chat_api.conversations.conversation_schemas import Text
from chat_api.conversations.feedback import RATINGS, Rating
from chat_api.conversations.models import Message

__all__ = ["Feedback", "FeedbackList", "FeedbackOut", "MessageOut", "MessagePage", "ToolCall"]

_AS_THEY_ARE: Final = {"id", "role", "content", "status", "run_id", "created_at", "comment"}


class ToolCall(BaseModel):
    """A call that the assistant made: `result` is what the tool returned, `error` why it did not."""

    tool: str
    args: dict[str, Any]
    result: Any = None
    error: str | None = None


class MessageOut(BaseModel):
    id: UUID
    role: Literal["user", "assistant"]
    content: str
    status: Literal["completed", "failed", "cancelled"] = Field(
        description="Of an answer: cancelled and failed ones have what was said until then"
    )
    tool_calls: list[ToolCall]
    run_id: UUID | None = Field(description="The turn that it was said in; null: it was imported or copied")
    created_at: datetime
    rating: Rating | None = Field(default=None, description="What its user thinks of it")
    comment: str | None = None
    parent_id: UUID | None = Field(description="The message that it follows")
    siblings: list[UUID] = Field(description="What follows the same, itself among them, the oldest first")

    @classmethod
    def of(cls, message: Message, links: Links) -> Self:
        return cls(
            **message.model_dump(include=_AS_THEY_ARE),
            tool_calls=[ToolCall.model_validate(call) for call in message.tool_calls],
            rating=None if message.rating is None else RATINGS[message.rating],
            parent_id=links.parent_id,
            siblings=links.siblings,
        )


class MessagePage(BaseModel):
    messages: list[MessageOut]
    next_cursor: str | None


class Feedback(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rating: Rating
    comment: Text | None = Field(default=None, max_length=4000)


class FeedbackOut(Feedback):
    """What was thought of an answer."""

    message_id: UUID
    preview: str = Field(description="How the answer begins, 200 characters at most")
    rated_at: datetime
    conversation_id: UUID
    conversation_title: str | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        return cls(
            rating=RATINGS[row.rating],
            comment=row.comment,
            message_id=row.id,
            preview=row.preview,
            rated_at=row.rated_at,
            conversation_id=row.conversation_id,
            conversation_title=row.title,
        )


class FeedbackList(BaseModel):
    feedback: list[FeedbackOut]
    next_cursor: UUID | None
