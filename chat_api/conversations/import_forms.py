"""What can be imported: what was exported, and lists of messages as OpenAI's API has them."""

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, TypeAlias
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, ValidationError, model_validator

from chat_api.conversations.conversation_schemas import Metadata, Text, Title
from chat_api.conversations.feedback import Rating
from chat_api.providers.tool_calls import UNUSABLE, usable_arguments
from kit.postgres.tables import now

__all__ = [
    "FORMAT",
    "LONGEST_CONTENT",
    "VERSION",
    "Call",
    "Document",
    "Head",
    "Imported",
    "Kept",
    "Restoring",
    "Unfit",
    "checked",
]

FORMAT: Final = "turnlog-conversation"
VERSION: Final = 1

LONGEST_CONTENT: Final = 1_000_000
_MOST_BESIDE: Final = 200


_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _past(moment: datetime) -> datetime:
    return min(moment, now())


Moment: TypeAlias = Annotated[
    AwareDatetime, Field(ge=datetime(1970, 1, 1, tzinfo=UTC)), AfterValidator(_past)
]
"""When something was; what is said to be still to come, is now."""


class Unfit(Exception):
    """A conversation cannot be imported; the message says why, without what it holds."""


class Head(BaseModel):
    """What a conversation has beside its messages."""

    title: Title | None = None
    title_source: Literal["message", "model", "user"] | None = None
    agent_id: UUID | None = None
    agent_name: str | None = None
    metadata: Metadata = Field(default={})
    created_at: Moment | None = None
    updated_at: Moment | None = None
    archived_at: Moment | None = None
    deleted_at: Moment | None = None


class Call(BaseModel):
    tool: str = Field(min_length=1, max_length=200)
    args: dict[str, Any]
    result: Any = None
    error: str | None = None
    changed: bool | None = None


class Kept(BaseModel):
    """A message as it was exported. Its parent is one of those before it."""

    id: str = Field(max_length=100)
    parent_id: str | None = Field(default=None, max_length=100)
    role: Literal["user", "assistant"]
    content: Text = Field(max_length=LONGEST_CONTENT)
    status: Literal["completed", "failed", "cancelled"] = "completed"
    tool_calls: list[Call] = []
    rating: Rating | None = None
    comment: Text | None = Field(default=None, max_length=4000)
    rated_at: Moment | None = None
    created_at: Moment | None = None
    deleted_at: Moment | None = None

    @model_validator(mode="after")
    def _is_of_its_role(self) -> "Kept":
        if self.role == "user" and (self.tool_calls or self.rating):
            raise ValueError("only the assistant calls tools and is rated")
        return self


class Document(BaseModel):
    """A conversation as it is exported.

    To be imported, `messages` will do, also in the form of OpenAI's API: with the roles `system`, `user`,
    `assistant` and `tool`, and text as `content`.
    """

    format: str | None = None
    version: int | None = None
    conversation: Head | None = None
    title: str | None = Field(default=None, description="Of a list of messages")
    metadata: dict[str, Any] | None = Field(default=None, description="Of a list of messages")
    messages: list[dict[str, Any]]


@dataclass(slots=True)
class Imported:
    """A conversation that can be kept. `parents` are, for each message, the number of the one it follows."""

    head: Head
    messages: list[Kept] = field(default_factory=list[Kept])
    parents: list[int | None] = field(default_factory=list["int | None"])
    notes: list[str] = field(default_factory=list[str])


def checked(model: type[Any], given: Any, where: str) -> Any:
    """Raises Unfit, which names the first field that is wrong."""
    if usable_arguments(json.dumps(given)) == UNUSABLE:
        raise Unfit(f"{where}: it is no object, or has NUL characters, lone surrogates or too great a depth.")
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        named = ".".join(str(part) for part in first["loc"] if isinstance(part, int) or part.isidentifier())
        raise Unfit(f"{where}: {named}: {first['msg']}"[:300]) from error


class Restoring:
    """Makes a conversation again of what was exported."""

    def __init__(self, fields: dict[str, Any]) -> None:
        """Raises Unfit."""
        if fields["format"] != FORMAT or fields.get("version") != VERSION:
            raise Unfit(f"The format is not {FORMAT}, version {VERSION}.")
        self._found = Imported(checked(Head, fields.get("conversation") or {}, "conversation"))
        head = self._found.head
        if (head.title is None) is not (head.title_source is None):
            head.title_source = None if head.title is None else "user"
        self._numbers: dict[str, int] = {}
        self._following = Counter[int | None]()

    def add(self, given: Any, where: str) -> None:
        """Raises Unfit."""
        messages = self._found.messages
        message: Kept = checked(Kept, given, where)
        if message.parent_id is not None and message.parent_id not in self._numbers:
            raise Unfit(f"{where}: its parent_id is not the id of a message before it.")
        parent = None if message.parent_id is None else self._numbers[message.parent_id]
        if message.role == "assistant" and parent is not None and messages[parent].role != "user":
            raise Unfit(f"{where}: an answer follows a message of the user.")
        self._following[parent] += 1
        if self._following[parent] > _MOST_BESIDE:
            raise Unfit(f"{where}: over {_MOST_BESIDE} messages follow the same.")
        self._numbers[message.id] = len(messages)
        messages.append(message)
        self._found.parents.append(parent)

    def end(self) -> Imported:
        return self._found
