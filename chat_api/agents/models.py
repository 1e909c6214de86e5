"""Tables of agents and of their versions."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Column, ForeignKey, Index, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from kit.postgres.tables import Table, timestamp

__all__ = ["Agent", "AgentVersion"]


class Agent(Table, table=True):
    """An assistant as it is now: `config` is an `AgentConfig`, that of its newest `version`."""

    __tablename__: ClassVar[str] = "agents"
    __table_args__: ClassVar[tuple[Any, ...]] = (Index("agents_of_user", "user_id", "id"),)

    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE")
    version: int = 1
    name: str = Field(sa_type=Text)
    config: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
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
    config: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    created_at: datetime = timestamp()
