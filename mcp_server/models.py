"""Tables of the tool server."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, col

from kit.postgres.tables import Table, timestamp

__all__ = ["Todo"]


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
