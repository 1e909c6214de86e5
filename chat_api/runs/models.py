"""The table of runs."""

from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from kit.postgres.tables import Table, timestamp

__all__ = ["ONE_LIVE_RUN", "Run"]

ONE_LIVE_RUN: Final = "runs_one_live_a_conversation"


class Run(Table, table=True):
    """One turn of the assistant. Whoever holds the lease (`lease_owner`, `lease_until`) may write to it."""

    __tablename__: ClassVar[str] = "runs"
    __table_args__: ClassVar[tuple[Any, ...]] = (
        CheckConstraint("status IN ('running', 'completed', 'failed')", name="runs_status"),
        Index("runs_conversation", "conversation_id"),
        Index(
            ONE_LIVE_RUN,
            "user_id",
            "conversation_id",
            unique=True,
            postgresql_where=text("status = 'running'"),
        ),
    )

    user_id: UUID
    conversation_id: UUID = Field(
        sa_column=Column(ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False)
    )
    status: str = Field(default="running", sa_type=Text)
    lease_owner: UUID
    lease_until: datetime = timestamp(default=False)
    provider: str | None = Field(default=None, sa_type=Text)
    model: str | None = Field(default=None, sa_type=Text)
    usage: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    error: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    created_at: datetime = timestamp()
    finished_at: datetime | None = timestamp(default=False, nullable=True)
