"""Providers that people have configured."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, Text, text
from sqlmodel import Field

from kit.postgres.tables import Table, timestamp

__all__ = ["CHANGED", "ProviderConfig"]

CHANGED = "turnlog_providers"
"""The channel on which a trigger tells of each change of the table, once its transaction is committed."""


class ProviderConfig(Table, table=True):
    """`shared`: everybody's. `anywhere`: an admin has named its address, so that it may be a private one.

    `secret` is the sealed API key. `version` grows with each change.
    """

    __tablename__: ClassVar[str] = "provider_configs"
    __table_args__: ClassVar[tuple[Any, ...]] = (
        Index("provider_configs_name", "user_id", "name", unique=True),
        Index("provider_configs_shared_name", "name", unique=True, postgresql_where=text("shared")),
        CheckConstraint("kind IN ('ollama', 'lmstudio', 'openai')", name="provider_configs_kind"),
        CheckConstraint(
            "name NOT IN ('ollama', 'lmstudio', 'openai', 'local')", name="provider_configs_reserved"
        ),
    )

    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE")
    name: str = Field(sa_type=Text)
    kind: str = Field(sa_type=Text)
    base_url: str = Field(sa_type=Text)
    secret: bytes | None = Field(default=None, sa_type=LargeBinary)
    model: str | None = Field(default=None, sa_type=Text)
    enabled: bool = True
    shared: bool = False
    anywhere: bool = False
    priority: int = 100
    timeout_seconds: float | None = None
    first_token_seconds: float | None = None
    retries: int = 1
    context_tokens: int | None = None
    version: int = 1
    created_at: datetime = timestamp()
    updated_at: datetime = timestamp()
