"""Users, as their issuers know them; how those of the built-in issuer stay signed in; API keys."""

from datetime import datetime
from typing import Any, ClassVar, Final, Literal, TypeAlias
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, LargeBinary, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, col

from kit.postgres.tables import Table, timestamp

__all__ = ["EMAIL", "ApiKey", "ErasedUser", "LoginSession", "RefreshToken", "Role", "Tier", "User"]

Role: TypeAlias = Literal["user", "admin"]
Tier: TypeAlias = Literal["default", "authenticated", "premium"]

EMAIL: Final = "users_email"


class User(Table, table=True):
    """`id` is `kit.ids.owner_id(issuer, subject)`; those of the built-in issuer have an e-mail address."""

    __tablename__: ClassVar[str] = "users"
    __table_args__: ClassVar[tuple[Any, ...]] = (
        UniqueConstraint("issuer", "subject", name="users_issuer_subject"),
        CheckConstraint("role IN ('user', 'admin')", name="users_role"),
        CheckConstraint("tier IN ('default', 'authenticated', 'premium')", name="users_tier"),
        CheckConstraint("(email IS NULL) = (password_hash IS NULL)", name="users_password"),
    )

    issuer: str = Field(sa_type=Text)
    subject: str = Field(sa_type=Text)
    created_at: datetime = timestamp()
    email: str | None = Field(default=None, sa_type=Text)
    password_hash: str | None = Field(default=None, sa_type=Text)
    name: str | None = Field(default=None, sa_type=Text)
    timezone: str | None = Field(default=None, sa_type=Text)
    # Rows are made by statements too, which name neither of these two.
    role: str = Field(default="user", sa_type=Text, sa_column_kwargs={"server_default": "user"})
    tier: str = Field(
        default="authenticated", sa_type=Text, sa_column_kwargs={"server_default": "authenticated"}
    )
    password_expires_at: datetime | None = timestamp(default=False, nullable=True)
    disabled_at: datetime | None = timestamp(default=False, nullable=True)
    last_login_at: datetime | None = timestamp(default=False, nullable=True)


Index(EMAIL, col(User.email), unique=True)
Index("users_disabled", col(User.id), postgresql_where=col(User.disabled_at).is_not(None))
Index(
    "users_tiers",
    col(User.id),
    postgresql_where=col(User.email).is_(None) & (col(User.tier) != "authenticated"),
)


def _belongs_to(target: str) -> Any:
    return Field(sa_column=Column(ForeignKey(target, ondelete="CASCADE"), nullable=False))


class LoginSession(Table, table=True):
    """All refresh tokens that follow from one login.

    Those of `generation` are good; they follow from the token `parent_id`, which was used at `rotated_at`.
    """

    __tablename__: ClassVar[str] = "login_sessions"

    user_id: UUID = _belongs_to("users.id")
    generation: int
    parent_id: UUID | None = None
    rotated_at: datetime = timestamp()
    created_at: datetime = timestamp()
    ends_at: datetime = timestamp(default=False)
    ended_at: datetime | None = timestamp(default=False, nullable=True)


Index("login_sessions_user", col(LoginSession.user_id))


class RefreshToken(Table, table=True):
    __tablename__: ClassVar[str] = "refresh_tokens"
    __table_args__: ClassVar[tuple[Any, ...]] = (UniqueConstraint("token_hash", name="refresh_tokens_hash"),)

    user_id: UUID = _belongs_to("users.id")
    session_id: UUID = _belongs_to("login_sessions.id")
    generation: int
    token_hash: bytes = Field(sa_type=LargeBinary)
    created_at: datetime = timestamp()
    expires_at: datetime = timestamp(default=False)


Index("refresh_tokens_user", col(RefreshToken.user_id))
Index("refresh_tokens_session", col(RefreshToken.session_id))


class ErasedUser(Table, table=True):
    """Whose tokens may still be good for a while, though nothing else is left of them.

    Those from `outside` are somebody new at once, as their issuer vouches for them.
    """

    __tablename__: ClassVar[str] = "erased_users"

    erased_at: datetime = timestamp()
    outside: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})


class ApiKey(Table, table=True):
    """`prefix` is how the key begins, by which its owner knows it."""

    __tablename__: ClassVar[str] = "api_keys"
    __table_args__: ClassVar[tuple[Any, ...]] = (
        UniqueConstraint("key_hash", name="api_keys_hash"),
        CheckConstraint(
            "scopes <@ ARRAY['read', 'write', 'tools:read', 'tools:write', 'admin']", name="api_keys_scopes"
        ),
    )

    user_id: UUID = _belongs_to("users.id")
    name: str = Field(sa_type=Text)
    prefix: str = Field(sa_type=Text)
    key_hash: bytes = Field(sa_type=LargeBinary)
    scopes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    expires_at: datetime | None = timestamp(default=False, nullable=True)
    last_used_at: datetime | None = timestamp(default=False, nullable=True)
    created_at: datetime = timestamp()
    revoked_at: datetime | None = timestamp(default=False, nullable=True)


Index("api_keys_user", col(ApiKey.user_id))
