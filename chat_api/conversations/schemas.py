"""Messages on the wire."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

__all__ = ["MessageOut", "MessagePage", "ToolCall"]


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


class MessagePage(BaseModel):
    messages: list[MessageOut]
    next_cursor: str | None
