"""What one turn asks of its model, and how it is to be taken."""

from typing import Literal

from pydantic import ConfigDict, Field

from chat_api.agents.config import ModelOptions

__all__ = ["TurnOptions", "TurnRequest"]


class TurnOptions(ModelOptions):
    """`provider`, `model_id`, `temperature` and `max_tokens` go before what the agent has, for this turn."""

    model_config = ConfigDict(extra="forbid", frozen=False)

    def of_turn(self) -> ModelOptions | None:
        """What is asked of the model in place of what the agent does; None where that is nothing."""
        options = ModelOptions(**{name: getattr(self, name) for name in ModelOptions.model_fields})
        return None if options == ModelOptions() else options


class TurnRequest(TurnOptions):
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
