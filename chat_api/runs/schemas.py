"""A turn on the wire."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from chat_api.conversations.schemas import ToolCall

__all__ = ["ChatRequest", "ChatResponse", "Usage"]

_LONGEST_MESSAGE = 100_000


def _sayable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("NUL characters cannot be kept")
    if not text.strip():
        raise ValueError("the message is empty")
    return text


class ChatRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    message: Annotated[str, AfterValidator(_sayable)] = Field(
        min_length=1,
        max_length=_LONGEST_MESSAGE,
        description="What the user says",
        examples=["What is 17% of 2340?"],
    )
    conversation_id: UUID | None = Field(
        default=None, description="Conversation to go on with; left out: a new one"
    )
    stream: Literal[False] = Field(default=False, description="The answer comes whole")
    if_busy: Literal["reject"] = Field(
        default="reject", description="What to do while another turn of the conversation runs: answer 409"
    )


class Usage(BaseModel):
    """What the model calls of the turn took, in tokens, as the provider counts them."""

    requests: int
    input_tokens: int
    output_tokens: int
    total_tokens: int


class ChatData(BaseModel):
    response: str
    conversation_id: UUID
    tool_calls: list[ToolCall]
    timestamp: datetime
    run_id: UUID
    usage: Usage


class ChatResponse(BaseModel):
    success: Literal[True] = True
    data: ChatData
    message: str = "Operation completed successfully"
