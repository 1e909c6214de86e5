"""Tables of the tool server."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, LargeBinary, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB
from sqlmodel import Field, SQLModel, col

from kit.postgres.tables import Table, timestamp

__all__ = ["CustomTool", "CustomToolVersion", "Todo", "ToolEffect"]


class Todo(Table, table=True):
    __tablename__: ClassVar[str] = "todos"
    __table_args__: ClassVar[tuple[Any, ...]] = (
        CheckConstraint("priority IN ('low', 'normal', 'high')", name="todos_priority"),
    )

    user_id: UUID
    title: str = Field(sa_type=Text)
    notes: str | None = Field(default=None, sa_type=Text)
    due: datetime | None = timestamp(default=False, nullable=True)
    priority: str = Field(default="normal", sa_type=Text)
    tags: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), nullable=False))
    completed_at: datetime | None = timestamp(default=False, nullable=True)
    created_at: datetime = timestamp()
    updated_at: datetime = timestamp()


Index("todos_open", col(Todo.user_id), col(Todo.completed_at), col(Todo.id))


class ToolEffect(SQLModel, table=True):
    """What a call that carries a key has done, and answered."""

    __tablename__: ClassVar[Any] = "tool_effects"

    user_id: UUID = Field(primary_key=True)
    key: str = Field(primary_key=True, sa_type=Text)
    tool: str = Field(sa_type=Text)
    digest: bytes = Field(sa_type=LargeBinary)
    # JSONB would sort its members, and a repeat is to be answered as the first call was.
    result: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    redo: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    created_at: datetime = timestamp()


Index("tool_effects_age", col(ToolEffect.created_at))


class CustomTool(Table, table=True):
    """`skeleton` is what names that look alike have in common. `created_by` is nobody on the command line."""

    __tablename__: ClassVar[str] = "custom_tools"
    __table_args__: ClassVar[tuple[Any, ...]] = (
        UniqueConstraint("name", name="custom_tools_name"),
        UniqueConstraint("skeleton", name="custom_tools_skeleton"),
    )

    name: str = Field(sa_type=Text)
    skeleton: str = Field(sa_type=Text)
    version: int
    enabled: bool
    created_by: UUID | None = None
    created_at: datetime = timestamp()
    updated_at: datetime = timestamp()


class CustomToolVersion(SQLModel, table=True):
    """What a custom tool was from one change to the next."""

    __tablename__: ClassVar[Any] = "custom_tool_versions"

    tool_id: UUID = Field(
        sa_column=Column(ForeignKey("custom_tools.id", ondelete="CASCADE"), primary_key=True, nullable=False)
    )
    version: int = Field(primary_key=True)
    description: str = Field(sa_type=Text)
    # JSONB would sort its members, and models are to be told of arguments in their author's order.
    parameters: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    code: str = Field(sa_type=Text)
    created_by: UUID | None = None
    created_at: datetime = timestamp()
