"""Tables of conversations and messages."""

from datetime import datetime
from typing import Any, ClassVar, Final, cast
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    Index,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy import Table as SqlTable
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlmodel import Field

from kit.postgres.tables import Table, timestamp

__all__ = ["Conversation", "Message"]

# The owner is a word of it, so that one index finds the messages of one user among those of all. Of longer
# texts the rest is not found: Postgres refuses to make a megabyte of words.
_SEARCHED: Final = (
    "to_tsvector('simple', left(content, 100000)) || array_to_tsvector(ARRAY['u:' || user_id::text])"
)


class Conversation(Table, table=True):
    """`next_position` counts the messages: who takes a turn first takes the next two positions.

    `agent_id` is the agent of the newest turn, which may be gone. `branched`: some turn does not follow the
    one before it. `title_source` is who made the title: `message`, `model` or `user`.
    """

    __tablename__: ClassVar[str] = "conversations"
    __table_args__: ClassVar[tuple[Any, ...]] = (
        CheckConstraint("title_source IN ('message', 'model', 'user')", name="conversations_title_source"),
        CheckConstraint("(title IS NULL) = (title_source IS NULL)", name="conversations_title"),
        Index(
            "conversations_recent",
            "user_id",
            "updated_at",
            "id",
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index("conversations_of_agent", "user_id", "agent_id", "updated_at", "id"),
        Index("conversations_deleted", "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
    )

    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE")
    next_position: int = 0
    title: str | None = Field(default=None, sa_type=Text)
    title_source: str | None = Field(default=None, sa_type=Text)
    agent_id: UUID | None = None
    archived_at: datetime | None = timestamp(default=False, nullable=True)
    deleted_at: datetime | None = timestamp(default=False, nullable=True)
    meta: dict[str, Any] = Field(
        default_factory=dict, sa_column=Column("metadata", JSONB, nullable=False, server_default="{}")
    )
    branched: bool = Field(default=False, sa_column_kwargs={"server_default": "f"})
    created_at: datetime = timestamp()
    updated_at: datetime = timestamp()


class Message(Table, table=True):
    """`parent_position` is that of the message that it follows; there is none where a turn had no answer.

    A deleted message keeps its place, without what was said. `rating` is 1 or -1. What was imported or
    copied has no run.
    """

    __tablename__: ClassVar[str] = "messages"
    __table_args__: ClassVar[tuple[Any, ...]] = (
        UniqueConstraint("user_id", "conversation_id", "position", name="messages_position"),
        CheckConstraint("role IN ('user', 'assistant')", name="messages_role"),
        CheckConstraint("status IN ('completed', 'failed', 'cancelled')", name="messages_status"),
        CheckConstraint("parent_position < position", name="messages_parent"),
        CheckConstraint("rating IN (-1, 1)", name="messages_rating"),
        Index("messages_conversation", "conversation_id", "parent_position"),
        Index("messages_rated", "user_id", "id", postgresql_where=text("rating IS NOT NULL")),
    )

    user_id: UUID
    conversation_id: UUID = Field(
        sa_column=Column(ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False)
    )
    run_id: UUID | None
    position: int
    parent_position: int | None = None
    role: str = Field(sa_type=Text)
    content: str = Field(sa_type=Text)
    status: str = Field(default="completed", sa_type=Text)
    tool_calls: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(JSONB, nullable=False))
    created_at: datetime = timestamp()
    deleted_at: datetime | None = timestamp(default=False, nullable=True)
    rating: int | None = Field(default=None, sa_type=SmallInteger)
    comment: str | None = Field(default=None, sa_type=Text)
    rated_at: datetime | None = timestamp(default=False, nullable=True)


def _searchable(messages: SqlTable) -> None:
    """Add what messages are found by, which nobody reads: to the table, but not to the class."""
    found_by = Column("search", TSVECTOR, Computed(_SEARCHED, persisted=True))
    messages.append_column(found_by)
    Index("messages_search", found_by, postgresql_using="gin")


_searchable(cast("SqlTable", Message.__table__))  # pyright: ignore[reportAttributeAccessIssue]
