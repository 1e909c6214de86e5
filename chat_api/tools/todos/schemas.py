"""Todos on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from chat_api.providers.tool_calls import clean_text
from kit.tokens.identity import is_zone

__all__ = ["NewTodo", "Priority", "TodoChange", "TodoList", "TodoOut", "TodoStatus", "Zone"]

Priority: TypeAlias = Literal["low", "normal", "high"]
TodoStatus: TypeAlias = Literal["open", "done"]


def _kept(text: str) -> str:
    if clean_text(text) != text:
        raise ValueError("NUL characters and lone surrogates cannot be kept")
    return text


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _zone(name: str) -> str:
    if not is_zone(name):
        raise ValueError("there is no such time zone")
    return name


_Text: TypeAlias = Annotated[str, AfterValidator(_kept)]
_Stripped: TypeAlias = Annotated[_Text, BeforeValidator(_stripped)]
_Title: TypeAlias = Annotated[_Stripped, Field(min_length=1, max_length=500)]
_Due: TypeAlias = Annotated[_Text, Field(max_length=100)]
_Tags: TypeAlias = Annotated[
    list[Annotated[_Stripped, Field(min_length=1, max_length=50)]], Field(max_length=20)
]
_Notes: TypeAlias = Annotated[_Text, Field(max_length=10_000)]
Zone: TypeAlias = Annotated[str, Field(max_length=255), AfterValidator(_zone)]


class NewTodo(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: _Title
    due: _Due | None = Field(
        default=None, description="ISO 8601 or plain English; a day without a time means its end"
    )
    priority: Priority = "normal"
    tags: _Tags = Field(default=[], description="They are kept in lower case")
    notes: _Notes | None = None


class TodoChange(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    title: _Title | None = None
    due: _Due | None = Field(default=None, description='As for a new one; `null` or "" takes it away')
    priority: Priority | None = None
    tags: _Tags | None = None
    notes: _Notes | None = Field(default=None, description="`null` takes them away")
    status: TodoStatus | None = Field(default=None, description="`open` opens one again that was done")

    @property
    def arguments(self) -> dict[str, Any]:
        """What the tool is called with, for which an empty text is nothing."""
        sent = self.model_dump(exclude_unset=True)
        emptied = {name: "" for name in ("due", "notes") if name in sent and sent[name] is None}
        return {name: value for name, value in sent.items() if value is not None} | emptied


class TodoOut(BaseModel):
    id: UUID
    title: str
    status: TodoStatus
    priority: Priority
    due: datetime | None
    tags: list[str]
    notes: str | None


class TodoList(BaseModel):
    todos: list[TodoOut]
    next_cursor: UUID | None
