"""Tables of runs and of their log."""

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    Numeric,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from kit.postgres.tables import Table, timestamp

__all__ = ["FINAL", "IDEMPOTENCY", "ONE_LIVE_RUN", "EventRow", "Run", "SpentTokens"]

ONE_LIVE_RUN: Final = "runs_one_live_a_conversation"
IDEMPOTENCY: Final = "runs_idempotency"
FINAL: Final = frozenset({"completed", "failed", "cancelled"})


class Run(Table, table=True):
    """One turn of the assistant.

    Who holds the lease (`lease_owner`, `lease_until`) may write to it, and only as the current `attempt`.
    `position` is that of the user's message, `answer_position` that of the answer; `options` are what the
    turn asks of its model.
    """

    __tablename__: ClassVar[str] = "runs"
    __table_args__: ClassVar[tuple[Any, ...]] = (
        CheckConstraint(
            "status IN ('queued', 'running', 'requires_action', 'completed', 'failed', 'cancelled')",
            name="runs_status",
        ),
        CheckConstraint("answer_position > position", name="runs_answer"),
        Index("runs_conversation", "conversation_id"),
        Index("runs_recent", "user_id", "created_at", "id"),
        Index(
            "runs_answered_by",
            "agent_id",
            "created_at",
            postgresql_where=text("agent_id IS NOT NULL"),
        ),
        Index(
            "runs_of_agent",
            "user_id",
            "agent_id",
            "created_at",
            "id",
            postgresql_where=text("agent_id IS NOT NULL"),
        ),
        Index(
            "runs_not_completed",
            "user_id",
            "created_at",
            "id",
            postgresql_where=text("status <> 'completed'"),
        ),
        Index(
            ONE_LIVE_RUN,
            "user_id",
            "conversation_id",
            unique=True,
            postgresql_where=text("status IN ('running', 'requires_action')"),
        ),
        Index(
            IDEMPOTENCY,
            "user_id",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
        Index(
            "runs_unfinished",
            "status",
            "lease_until",
            postgresql_where=text("status IN ('queued', 'running')"),
        ),
        Index(
            "runs_queued",
            "user_id",
            "conversation_id",
            "answer_position",
            postgresql_where=text("status = 'queued'"),
        ),
        Index(
            "runs_unfolded", "finished_at", postgresql_where=text("finished_at IS NOT NULL AND NOT folded")
        ),
    )

    user_id: UUID
    conversation_id: UUID = Field(
        sa_column=Column(ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False)
    )
    position: int
    answer_position: int
    options: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    status: str = Field(default="running", sa_type=Text)
    attempt: int = 0
    lease_owner: UUID | None = None
    lease_until: datetime | None = timestamp(default=False, nullable=True)
    cancel_requested: bool = False
    idempotency_key: str | None = Field(default=None, sa_type=Text)
    request_hash: bytes | None = Field(default=None, sa_type=LargeBinary)
    timezone: str | None = Field(default=None, sa_type=Text)
    agent_id: UUID | None = None
    agent_version: int | None = None
    provider: str | None = Field(default=None, sa_type=Text)
    model: str | None = Field(default=None, sa_type=Text)
    fallbacks: list[dict[str, Any]] = Field(
        default_factory=list[dict[str, Any]],
        sa_column=Column(JSONB, server_default=text("'[]'"), nullable=False),
    )
    usage: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    cost_usd: Decimal | None = Field(default=None, sa_type=Numeric)
    error: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    folded: bool = False
    created_at: datetime = timestamp()
    finished_at: datetime | None = timestamp(default=False, nullable=True)


class EventRow(SQLModel, table=True):
    """What happened in a run: one event, or the deltas `first_seq` to `seq` of a step's text in one row."""

    __tablename__: ClassVar[Any] = "events"

    run_id: UUID = Field(
        sa_column=Column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True, nullable=False)
    )
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    first_seq: int = Field(sa_type=BigInteger)
    user_id: UUID
    type: str = Field(sa_type=Text)
    data: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    at: datetime = timestamp()


class SpentTokens(SQLModel, table=True):
    """What runs that were begun in an `hour` took, and are deleted since."""

    __tablename__: ClassVar[Any] = "spent_tokens"

    user_id: UUID = Field(
        sa_column=Column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, nullable=False)
    )
    hour: datetime = timestamp(default=False, primary_key=True)
    tokens: int = Field(sa_type=BigInteger)
