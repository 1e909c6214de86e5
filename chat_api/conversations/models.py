"""Tables of conversations and messages."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from kit.postgres.tables import Table, timestamp

__all__ = ["Conversation", "Message"]


class Conversation(Table, table=True):
    """`next_position` counts the messages: who takes a turn first takes the next two positions."""

    __tablename__: ClassVar[str] = "conversations"
    __table_args__: ClassVar[tuple[Any, ...]] = (Index("conversations_recent", "user_id", "updated_at"),)

    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE")
    next_position: int = 0
    created_at: datetime = timestamp()
    updated_at: datetime = timestamp()


class Message(Table, table=True):
    __tablename__: ClassVar[str] = "messages"
    __table_args__: ClassVar[tuple[Any, ...]] = (
        UniqueConstraint("user_id", "conversation_id", "position", name="messages_position"),
        CheckConstraint("role IN ('user', 'assistant')", name="messages_role"),
        CheckConstraint("status IN ('completed', 'failed', 'cancelled')", name="messages_status"),
        Index("messages_conversation", "conversation_id"),
    )

    user_id: UUID
    conversation_id: UUID = Field(
        sa_column=Column(ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False)
    )
    run_id: UUID
    position: int
    role: str = Field(sa_type=Text)
    content: str = Field(sa_type=Text)
    status: str = Field(default="completed", sa_type=Text)
    tool_calls: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(JSONB, nullable=False))
    created_at: datetime = timestamp()
