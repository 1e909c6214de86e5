"""Turns and runs on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field

from chat_api.conversations.schemas import ToolCall

__all__ = [
    "AcceptedData",
    "AgentChatRequest",
    "Approval",
    "ChatAccepted",
    "ChatData",
    "ChatRequest",
    "ChatResponse",
    "RunList",
    "RunOut",
    "StepList",
    "StepOut",
    "Usage",
]

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
    agent_id: Literal["default"] = Field(default="default", description="The assistant that answers")
    stream: bool = Field(
        default=False, description="Stream the answer, as server-sent events unless Accept says otherwise"
    )
    if_busy: Literal["reject", "enqueue", "interrupt"] = Field(
        default="reject",
        description="While another turn of the conversation runs: answer 409, wait in line, or cancel it",
    )
    on_disconnect: Literal["continue", "cancel"] = Field(
        default="continue", description="What to do when the client of a stream leaves before its end"
    )


class AgentChatRequest(ChatRequest):
    conversation_id: UUID | None = Field(
        default=None,
        validation_alias=AliasChoices("conversation_id", "thread_id"),
        description="Conversation to go on with, also as thread_id; left out: a new one",
    )
    stream: bool = Field(default=True, description="Stream the answer, as NDJSON unless Accept differs")


class Usage(BaseModel):
    """What the model calls of the turn took, in tokens.

    As the provider counts them; `estimated` where it did not tell for one of them.
    """

    requests: int
    input_tokens: int
    output_tokens: int
    total_tokens: int
    estimated: bool = False


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


class AcceptedData(BaseModel):
    run_id: UUID
    conversation_id: UUID


class ChatAccepted(BaseModel):
    """The turn is kept and goes on; its run tells what comes of it."""

    success: Literal[True] = True
    data: AcceptedData
    message: str = "The turn goes on"


class RunError(BaseModel):
    code: str
    message: str


class RunOut(BaseModel):
    """A turn of the assistant. `attempt` counts how often it was begun: once, and once after each crash."""

    id: UUID
    conversation_id: UUID
    status: Literal["queued", "running", "requires_action", "completed", "failed", "cancelled"]
    attempt: int
    cancel_requested: bool
    provider: str | None
    model: str | None
    usage: Usage | None
    error: RunError | None
    created_at: datetime
    finished_at: datetime | None


class RunList(BaseModel):
    runs: list[RunOut]


class StepOut(BaseModel):
    """A call of a model, with its tokens, or of a tool, with its arguments and its result."""

    step_id: str
    kind: Literal["model", "tool"]
    name: str
    status: Literal["running", "completed", "failed"]
    attempt: int
    arguments: dict[str, Any] | None = None
    result: Any = None
    error: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    estimated: bool | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    latency_ms: float | None = None


class StepList(BaseModel):
    steps: list[StepOut]


class Approval(BaseModel):
    model_config = ConfigDict(extra="forbid")

    step_id: str = Field(pattern=r"^\d{1,6}\.\d{1,6}$", description="The step that the run waits for")
    repeat: bool = Field(description="Make the call again; else the model is told that it may have happened")
