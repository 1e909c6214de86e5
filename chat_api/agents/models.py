"""Tables of agents, of their versions, and of whom they are shared with."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from kit.postgres.tables import Table, timestamp

__all__ = ["Agent", "AgentShare", "AgentVersion"]


class Agent(Table, table=True):
    """An assistant as it is now: `config` is an `AgentConfig`; all of it is that of its newest `version`.

    `everyone`: what everybody may do with it, as `allows` of a share.
    """

    __tablename__: ClassVar[str] = "agents"
    __table_args__: ClassVar[tuple[Any, ...]] = (
        Index("agents_of_user", "user_id", "id"),
        Index("agents_of_everyone", "id", postgresql_where=text("everyone IS NOT NULL")),
        CheckConstraint("status IN ('active', 'archived')", name="agents_status"),
        CheckConstraint("everyone IN ('read', 'use')", name="agents_everyone"),
    )

    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE")
    version: int = 1
    name: str = Field(sa_type=Text)
    description: str | None = Field(default=None, sa_type=Text)
    status: str = Field(default="active", sa_type=Text)
    config: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    # A model's own `metadata` is SQLAlchemy's.
    notes: dict[str, Any] = Field(default={}, sa_column=Column("metadata", JSONB, nullable=False))
    everyone: str | None = Field(default=None, sa_type=Text)
    created_at: datetime = timestamp()
    updated_at: datetime = timestamp()


class AgentVersion(SQLModel, table=True):
    """An agent as it was: runs go on with the version that they began with."""

    __tablename__: ClassVar[Any] = "agent_versions"

    agent_id: UUID = Field(
        sa_column=Column(ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True, nullable=False)
    )
    version: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    user_id: UUID
    name: str = Field(sa_type=Text)
    description: str | None = Field(default=None, sa_type=Text)
    status: str = Field(default="active", sa_type=Text)
    config: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    notes: dict[str, Any] = Field(default={}, sa_column=Column("metadata", JSONB, nullable=False))
    created_at: datetime = timestamp()


class AgentShare(SQLModel, table=True):
    """What `user_id` may do with somebody else's agent: `read` it, or `use` it as well."""

    __tablename__: ClassVar[Any] = "agent_shares"
    __table_args__: ClassVar[tuple[Any, ...]] = (
        Index("agent_shares_of_agent", "agent_id"),
        CheckConstraint("allows IN ('read', 'use')", name="agent_shares_allows"),
    )

    user_id: UUID = Field(
        sa_column=Column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, nullable=False)
    )
    agent_id: UUID = Field(
        sa_column=Column(ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True, nullable=False)
    )
    allows: str = Field(sa_type=Text)
    created_at: datetime = timestamp()
