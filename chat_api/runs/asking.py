"""What a turn at a message that is there already is asked for with."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from chat_api.runs.options import TurnRequest
from chat_api.runs.schemas import LONGEST_MESSAGE, sayable

__all__ = ["Edit", "Regeneration"]


class Regeneration(TurnRequest):
    agent_id: UUID | Literal["default"] | None = Field(
        default=None, description="The assistant that answers; left out: the one that did before"
    )


class Edit(Regeneration):
    message: Annotated[str, AfterValidator(sayable)] = Field(
        min_length=1, max_length=LONGEST_MESSAGE, description="What the user says instead"
    )
