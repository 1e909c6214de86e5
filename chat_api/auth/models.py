"""Users, as their issuers know them."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Text, UniqueConstraint
from sqlmodel import Field

from kit.postgres.tables import Table, timestamp

__all__ = ["User"]


class User(Table, table=True):
    """`id` is `kit.ids.owner_id(issuer, subject)`."""

    __tablename__: ClassVar[str] = "users"
    __table_args__: ClassVar[tuple[Any, ...]] = (
        UniqueConstraint("issuer", "subject", name="users_issuer_subject"),
    )

    issuer: str = Field(sa_type=Text)
    subject: str = Field(sa_type=Text)
    created_at: datetime = timestamp()
