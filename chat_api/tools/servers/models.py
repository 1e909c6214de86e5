"""Other MCP servers, as their users have registered them."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, Text, text
from sqlmodel import Field

from kit.postgres.tables import Table, timestamp

__all__ = ["McpServer", "McpServerChanges"]


class McpServer(Table, table=True):
    """`shared`: everybody's. `anywhere`: an admin has named its URL, so that it may be on a private network.

    `secret` is sealed. `trusted`: what it says of its tools is believed. `version` grows with each change.
    """

    __tablename__: ClassVar[str] = "mcp_servers"
    __table_args__: ClassVar[tuple[Any, ...]] = (
        Index("mcp_servers_name", "user_id", "name", unique=True),
        Index("mcp_servers_shared_name", "name", unique=True, postgresql_where=text("shared")),
        CheckConstraint("auth IN ('none', 'bearer', 'header', 'user')", name="mcp_servers_auth"),
        CheckConstraint("(auth = 'header') = (header IS NOT NULL)", name="mcp_servers_header"),
        CheckConstraint("auth IN ('bearer', 'header') OR secret IS NULL", name="mcp_servers_secret"),
    )

    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE")
    name: str = Field(sa_type=Text)
    url: str = Field(sa_type=Text)
    auth: str = Field(sa_type=Text)
    header: str | None = Field(default=None, sa_type=Text)
    audience: str | None = Field(default=None, sa_type=Text)
    secret: bytes | None = Field(default=None, sa_type=LargeBinary)
    shared: bool = False
    anywhere: bool = False
    enabled: bool = True
    trusted: bool = False
    timeout_seconds: int = 30
    version: int = 1
    created_at: datetime = timestamp()
    updated_at: datetime = timestamp()


class McpServerChanges(Table, table=True):
    """One row, whose `number` a trigger moves on with each change of the servers, in its transaction."""

    __tablename__: ClassVar[str] = "mcp_server_changes"

    number: int = Field(sa_type=BigInteger)
