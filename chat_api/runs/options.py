"""What one turn asks of its model."""

from pydantic import ConfigDict

from chat_api.agents.config import ModelOptions

__all__ = ["TurnOptions"]


class TurnOptions(ModelOptions):
    """`provider`, `model_id`, `temperature` and `max_tokens` go before what the agent has, for this turn."""

    model_config = ConfigDict(extra="forbid", frozen=False)

    def of_turn(self) -> ModelOptions | None:
        """What is asked of the model in place of what the agent does; None where that is nothing."""
        options = ModelOptions(**{name: getattr(self, name) for name in ModelOptions.model_fields})
        return None if options == ModelOptions() else options
