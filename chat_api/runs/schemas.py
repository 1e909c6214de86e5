"""Turns and runs on the wire."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self, TypeAlias
from uuid import UUID

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    computed_field,
    model_validator,
)
from typing_extensions import override

from chat_api.conversations.schemas import ToolCall
from chat_api.providers.tool_calls import UNUSABLE, clean_text, keepable, usable_arguments
from chat_api.runs.listing import RunStatus
from chat_api.runs.options import TurnRequest

__all__ = [
    "LONGEST_MESSAGE",
    "AcceptedData",
    "AgentChatRequest",
    "Approval",
    "ApprovalList",
    "ApprovalRequest",
    "ChatAccepted",
    "ChatData",
    "ChatRequest",
    "ChatResponse",
    "Dollars",
    "FallbackOut",
    "OpenRequest",
    "RunList",
    "RunOut",
    "StepList",
    "StepOut",
    "Usage",
    "sayable",
]

LONGEST_MESSAGE = 100_000

Dollars: TypeAlias = Annotated[
    Decimal, PlainSerializer(lambda cost: f"{cost.normalize():f}", return_type=str, when_used="json")
]
"""Exactly, as a string: `"0.00021"`."""


def _storable(text: str) -> str:
    if clean_text(text) != text:
        raise ValueError("NUL characters and lone surrogates cannot be kept")
    return text


def sayable(text: str) -> str:
    if not text.strip():
        raise ValueError("the message is empty")
    return _storable(text)


def _keepable(arguments: dict[str, Any]) -> dict[str, Any]:
    if usable_arguments(json.dumps(arguments)) == UNUSABLE or keepable(arguments) != arguments:
        raise ValueError("they are too long, nested too deeply, or have NUL characters")
    return arguments


class ChatRequest(TurnRequest):
    message: Annotated[str, AfterValidator(sayable)] = Field(
        min_length=1,
        max_length=LONGEST_MESSAGE,
        description="What the user says",
        examples=["What is 17% of 2340?"],
    )
    conversation_id: UUID | None = Field(
        default=None, description="Conversation to go on with; left out: a new one"
    )
    parent_id: UUID | Literal["root"] | None = Field(
        default=None,
        description="Message of the conversation that this one follows; `root`: none; left out: the newest",
    )
    agent_id: UUID | Literal["default"] = Field(default="default", description="The assistant that answers")

    @model_validator(mode="after")
    def _follows_in_a_conversation(self) -> Self:
        if self.conversation_id is None and isinstance(self.parent_id, UUID):
            raise ValueError("a parent_id goes with the conversation_id of its conversation")
        return self


class AgentChatRequest(ChatRequest):
    conversation_id: UUID | None = Field(
        default=None,
        validation_alias=AliasChoices("conversation_id", "thread_id"),
        description="Conversation to go on with, also as thread_id; left out: a new one",
    )
    stream: bool = Field(
        default=True,
        description="Stream the answer, as NDJSON unless Accept differs; left out: if its `streaming` is on",
    )

    @override
    def streams(self, *, by_itself: bool) -> bool:
        return self.stream if "stream" in self.model_fields_set else by_itself


class Usage(BaseModel):
    """What the model calls of the turn took, in tokens.

    As the provider counts them; `estimated` where it did not tell for one of them.
    """

    requests: int
    input_tokens: int
    output_tokens: int
    total_tokens: int
    estimated: bool = False


class FallbackOut(BaseModel):
    """A provider that was to answer, and why another was asked instead."""

    provider: str
    model: str | None
    code: str
    message: str


class ChatData(BaseModel):
    response: str
    conversation_id: UUID
    message_id: UUID = Field(description="Of the answer")
    tool_calls: list[ToolCall]
    timestamp: datetime
    run_id: UUID
    usage: Usage
    provider: str | None = Field(description="Who answered")
    model: str | None
    fallbacks: list[FallbackOut]


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


class RunUsage(Usage):
    cached_tokens: int = Field(default=0, description="Those of the input that the provider had cached")


class RunOut(BaseModel):
    """A turn of the assistant; of the default one where there is no `agent_id`.

    `attempt` grows with each time that it is begun, and with each decision.
    """

    id: UUID
    conversation_id: UUID
    status: RunStatus
    attempt: int
    agent_id: UUID | None
    agent_version: int | None
    cancel_requested: bool
    provider: str | None
    model: str | None
    fallbacks: list[FallbackOut]
    usage: RunUsage | None
    cost_usd: Dollars | None = Field(
        description="At list prices, as they were then; 0 for a model of one's own, null where unknown"
    )
    error: RunError | None
    created_at: datetime
    finished_at: datetime | None

    @computed_field
    @property
    def latency_ms(self) -> float | None:
        """From the message to the end."""
        if self.finished_at is None:
            return None
        return round((self.finished_at - self.created_at).total_seconds() * 1000, 1)


class RunList(BaseModel):
    runs: list[RunOut]
    next_cursor: str | None


class StepOut(BaseModel):
    """A call of a model, with its tokens, or of a tool, with its arguments and its result."""

    step_id: str
    kind: Literal["model", "tool"]
    name: str
    provider: str | None = Field(default=None, description="Of a model")
    status: Literal["running", "completed", "failed"]
    attempt: int
    arguments: dict[str, Any] | None = None
    result: Any = None
    error: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    estimated: bool | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    latency_ms: float | None = None


class StepList(BaseModel):
    steps: list[StepOut]


class ApprovalRequest(BaseModel):
    """A call that waits for the user.

    `reason`: `approval`, as the agent has its user asked before; `interrupted`, as it may have happened.
    """

    step_id: str
    name: str
    arguments: dict[str, Any] | str | None = None
    reason: Literal["approval", "interrupted"] | None = None


class OpenRequest(ApprovalRequest):
    seq: int = Field(description="The number of the event that asked")


class ApprovalList(BaseModel):
    requests: list[OpenRequest]


class Approval(BaseModel):
    model_config = ConfigDict(extra="forbid")

    step_id: str = Field(pattern=r"^\d{1,6}\.\d{1,6}$", description="The step that the run waits for")
    seq: int | None = Field(
        default=None, ge=1, le=10**15, description="The event that asked; needed where that is `interrupted`"
    )
    decision: Literal["approve", "reject"] = Field(
        description="Make the call, for one that was interrupted: again; or do not, and tell the model"
    )
    reason: Annotated[str, AfterValidator(_storable)] | None = Field(
        default=None, max_length=2000, description="With `reject`: what the model is told of it"
    )
    arguments: Annotated[dict[str, Any], AfterValidator(_keepable)] | None = Field(
        default=None, description="With `approve`: arguments to put in place of the model's"
    )

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if self.decision == "approve" and self.reason is not None:
            raise ValueError("a reason goes with reject")
        if self.decision == "reject" and self.arguments is not None:
            raise ValueError("arguments go with approve")
        return self
