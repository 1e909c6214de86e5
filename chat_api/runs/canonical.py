"""The log as JSON: every event with all that is known of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from chat_api.runs.events import Event
from chat_api.runs.schemas import ApprovalRequest, Usage

__all__ = ["EventOut", "EventPage", "page_of"]


class _Event(BaseModel):
    """`seq` grows over the whole run; it is without gaps within an attempt, whose number leads it."""

    run_id: UUID
    seq: int
    at: datetime


class RunStarted(_Event):
    type: Literal["run.started"]
    conversation_id: UUID
    position: int = Field(description="Of the user's message in its conversation")
    user_message_id: UUID | None = Field(default=None, description="Of that message, where it is a new one")


class Attempt(_Event):
    """The run was taken over: `text` is what stands of the answer, all else that was said is void."""

    type: Literal["attempt"]
    attempt: int
    text: str
    handed_over: bool = Field(default=False, description="The process before has left it, and not crashed")


class TextDelta(_Event):
    type: Literal["text.delta"]
    step_id: str
    text: str


class ModelOfProvider(BaseModel):
    provider: str
    model: str | None = Field(description="null where it did not come to choosing one")


class ProviderFallback(_Event):
    """A provider failed before it had said anything, or is not there; another one is asked."""

    model_config = ConfigDict(serialize_by_alias=True)

    type: Literal["provider.fallback"]
    from_: ModelOfProvider = Field(alias="from")
    to: ModelOfProvider
    code: str
    reason: str


class _Step(_Event):
    step_id: str
    kind: Literal["model", "tool"]
    name: str
    provider: str | None = Field(default=None, description="Of a model")
    arguments: dict[str, Any] | None = Field(default=None, description="Of a tool")


class StepStarted(_Step):
    type: Literal["step.started"]


class StepUpdated(_Event):
    """The user has decided about a call: `arguments` are those that they put in place of the model's."""

    type: Literal["step.updated"]
    step_id: str
    decision: Literal["approve", "reject"]
    reason: str | None = None
    arguments: dict[str, Any] | None = None
    asked: int | None = Field(default=None, description="The number of the event that asked, if it was told")


class StepFinished(_Step):
    type: Literal["step.finished"]
    latency_ms: float
    result: Any = None
    error: str | None = None
    changed: bool | None = Field(default=None, description="The user has put in other arguments")
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    estimated: bool | None = None
    output: dict[str, Any] | None = Field(
        default=None, description="What a model said that wants tools called: `text` and `calls`"
    )


class UsageSoFar(_Event, Usage):
    type: Literal["usage"]


class ApprovalRequested(_Event, ApprovalRequest):
    """The run waits for a decision about a call."""

    type: Literal["approval.requested"]
    conversation_id: UUID


class _End(_Event):
    conversation_id: UUID
    message_id: UUID | None = Field(description="The assistant's message, where there is one")
    usage: Usage | None


class RunCompleted(_End):
    type: Literal["run.completed"]


class RunFailed(_End):
    type: Literal["run.failed"]
    error: dict[str, Any]


class RunCancelled(_End):
    type: Literal["run.cancelled"]


EventOut: TypeAlias = Annotated[
    RunStarted
    | Attempt
    | TextDelta
    | StepStarted
    | StepUpdated
    | StepFinished
    | ProviderFallback
    | UsageSoFar
    | ApprovalRequested
    | RunCompleted
    | RunFailed
    | RunCancelled,
    Field(discriminator="type"),
]


class EventPage(BaseModel):
    events: list[EventOut]
    next_after: int | None = Field(description="Send it as `after` for more; none where the run is over")


def page_of(events: Sequence[Event], *, after: int, is_last: bool) -> EventPage:
    found = [
        {**event.data, "run_id": event.run_id, "seq": event.seq, "at": event.at, "type": event.type}
        for event in events
    ]
    return EventPage.model_validate(
        {"events": found, "next_after": None if is_last else events[-1].seq if events else after}
    )
