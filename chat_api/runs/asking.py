"""What a turn at a message that is there already is asked for with."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from chat_api.runs.options import TurnOptions
from chat_api.runs.schemas import LONGEST_MESSAGE, sayable

__all__ = ["Edit", "Regeneration"]


class Regeneration(TurnOptions):
    agent_id: UUID | Literal["default"] | None = Field(
        default=None, description="The assistant that answers; left out: the one that did before"
    )
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

    def streams(self, *, by_itself: bool) -> bool:  # noqa: ARG002
        """Whether the answer is streamed; `by_itself`: where nobody says."""
        return self.stream


class Edit(Regeneration):
    message: Annotated[str, AfterValidator(sayable)] = Field(
        min_length=1, max_length=LONGEST_MESSAGE, description="What the user says instead"
    )
