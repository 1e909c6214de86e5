"""The base of every table."""

from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import DateTime
from sqlmodel import Field, SQLModel

from kit.ids import new_id

__all__ = ["Table", "now", "timestamp"]


class Table(SQLModel):
    # SQLModel declares it as something that its own documentation overrides with a plain string.
    __tablename__: ClassVar[Any]  # pyright: ignore[reportIncompatibleVariableOverride]

    id: UUID = Field(default_factory=new_id, primary_key=True)


def now() -> datetime:
    """The current time, in UTC."""
    return datetime.now(UTC)


def timestamp(*, default: bool = True, nullable: bool = False, **options: Any) -> Any:
    """A `timestamptz` column, now unless told otherwise."""
    factory = {"default_factory": now} if default else {"default": None}
    return Field(sa_type=DateTime(timezone=True), nullable=nullable, **factory, **options)  # pyright: ignore[reportArgumentType, reportCallIssue]
