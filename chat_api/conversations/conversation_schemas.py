"""Conversations on the wire."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal, Self, TypeAlias
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import Row

from chat_api.conversations.listing import Status, status_of
from chat_api.conversations.search import marked
from chat_api.providers.tool_calls import UNUSABLE, clean_text, usable_arguments

__all__ = [
    "Bulk",
    "BulkDone",
    "BulkResult",
    "ConversationChange",
    "ConversationList",
    "ConversationOut",
    "Found",
    "FoundList",
    "Metadata",
    "NewConversation",
    "Text",
    "Title",
]

_LONGEST_METADATA = 16_000


def _storable(text: str) -> str:
    if clean_text(text) != text:
        raise ValueError("NUL characters and lone surrogates cannot be kept")
    return text


def _named(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty")
    return text


def _keepable(metadata: dict[str, Any]) -> dict[str, Any]:
    written = json.dumps(metadata)
    if len(written) > _LONGEST_METADATA or usable_arguments(written) == UNUSABLE:
        raise ValueError("it is too long, nested too deeply, or has NUL characters")
    return metadata


Text: TypeAlias = Annotated[str, AfterValidator(_storable)]
Title: TypeAlias = Annotated[Text, AfterValidator(_named), Field(min_length=1, max_length=255)]
Metadata: TypeAlias = Annotated[
    dict[str, Any],
    AfterValidator(_keepable),
    Field(description=f"What clients keep here, {_LONGEST_METADATA:,} characters of JSON at most"),
]


class NewConversation(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: Title | None = Field(default=None, description="Left out: made from what is said first")
    agent_id: UUID | Literal["default"] = Field(default="default", description="Whom it is with")
    metadata: Metadata = Field(default={})


class ConversationChange(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    title: Title | None = None
    metadata: Metadata | None = None
    archived: bool | None = None


class LastMessage(BaseModel):
    role: Literal["user", "assistant"]
    preview: str = Field(description="How it begins, 200 characters at most")
    created_at: datetime


class ConversationOut(BaseModel):
    """A conversation; with the default agent where there is no `agent_id`.

    `updated_at` is when the last turn began: names and archiving do not change it.
    """

    conversation_id: UUID
    title: str | None
    agent_id: UUID | None
    status: Status
    message_count: int = Field(description="Messages that were begun: two a turn, also where one is missing")
    metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None
    deleted_at: datetime | None
    last_message: LastMessage | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        last = row.last_role and LastMessage(
            role=row.last_role, preview=row.last_preview, created_at=row.last_at
        )
        return cls(
            conversation_id=row.id,
            title=row.title,
            agent_id=row.agent_id,
            status=status_of(row),
            message_count=row.next_position,
            metadata=row.metadata,
            created_at=row.created_at,
            updated_at=row.updated_at,
            archived_at=row.archived_at,
            deleted_at=row.deleted_at,
            last_message=last,
        )


class ConversationList(BaseModel):
    conversations: list[ConversationOut]
    next_cursor: str | None
    total: int | None = Field(default=None, description="Of all pages, where it was asked for")


class Bulk(BaseModel):
    model_config = ConfigDict(extra="forbid")

    action: Literal["archive", "unarchive", "delete", "restore", "hard_delete"]
    ids: list[UUID] = Field(min_length=1, max_length=100)


class BulkResult(BaseModel):
    conversation_id: UUID
    success: bool
    code: Literal["conversation_not_found"] | None = None


class BulkDone(BaseModel):
    """What became of each, in the order in which they were named."""

    results: list[BulkResult]
    succeeded: int
    failed: int


class Found(BaseModel):
    """A message that fits."""

    message_id: UUID
    role: Literal["user", "assistant"]
    snippet: str = Field(description="HTML: what was said, escaped; what fits is in `<mark>`")
    rank: float
    created_at: datetime
    conversation_id: UUID
    conversation_title: str | None
    agent_id: UUID | None
    archived: bool

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        return cls(
            message_id=row.id,
            role=row.role,
            snippet=marked(row.snippet),
            rank=row.rank,
            created_at=row.created_at,
            conversation_id=row.conversation_id,
            conversation_title=row.title,
            agent_id=row.agent_id,
            archived=row.archived_at is not None,
        )


class FoundList(BaseModel):
    messages: list[Found]
    next_cursor: str | None
