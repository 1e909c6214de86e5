"""Accounts of the built-in issuer, their sessions of login, API keys; signing keys one after another."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def _id() -> sa.Column[UUID]:
    return sa.Column("id", sa.Uuid(), primary_key=True)


def _belongs_to(name: str, target: str) -> sa.Column[UUID]:
    return sa.Column(name, sa.Uuid(), sa.ForeignKey(target, ondelete="CASCADE"), nullable=False)


def _time(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    _extend_users()
    _create_sessions()
    _create_api_keys()
    op.add_column("signing_keys", _time("signs_from", nullable=True))
    op.execute("UPDATE signing_keys SET signs_from = created_at")
    op.alter_column("signing_keys", "signs_from", nullable=False)
    op.add_column("signing_keys", _time("retired_at", nullable=True))


def _extend_users() -> None:
    for name in ("email", "password_hash", "name", "timezone"):
        op.add_column("users", sa.Column(name, sa.Text(), nullable=True))
    op.add_column("users", sa.Column("role", sa.Text(), nullable=False, server_default="user"))
    op.add_column("users", sa.Column("tier", sa.Text(), nullable=False, server_default="authenticated"))
    for name in ("password_expires_at", "disabled_at", "last_login_at"):
        op.add_column("users", _time(name, nullable=True))
    op.create_check_constraint("users_role", "users", "role IN ('user', 'admin')")
    op.create_check_constraint("users_tier", "users", "tier IN ('default', 'authenticated', 'premium')")
    op.create_check_constraint("users_password", "users", "(email IS NULL) = (password_hash IS NULL)")
    op.create_index("users_email", "users", ["email"], unique=True)
    op.create_index("users_disabled", "users", ["id"], postgresql_where=sa.text("disabled_at IS NOT NULL"))
    op.create_index(
        "users_tiers",
        "users",
        ["id"],
        postgresql_where=sa.text("email IS NULL AND tier <> 'authenticated'"),
    )


def _create_sessions() -> None:
    op.create_table(
        "login_sessions",
        _id(),
        _belongs_to("user_id", "users.id"),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        _time("rotated_at"),
        _time("created_at"),
        _time("ends_at"),
        _time("ended_at", nullable=True),
    )
    op.create_index("login_sessions_user", "login_sessions", ["user_id"])
    op.create_table(
        "refresh_tokens",
        _id(),
        _belongs_to("user_id", "users.id"),
        _belongs_to("session_id", "login_sessions.id"),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        _time("created_at"),
        _time("expires_at"),
        sa.UniqueConstraint("token_hash", name="refresh_tokens_hash"),
    )
    op.create_index("refresh_tokens_user", "refresh_tokens", ["user_id"])
    op.create_index("refresh_tokens_session", "refresh_tokens", ["session_id"])


def _create_api_keys() -> None:
    op.create_table(
        "api_keys",
        _id(),
        _belongs_to("user_id", "users.id"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", ARRAY(sa.Text()), nullable=False),
        _time("expires_at", nullable=True),
        _time("last_used_at", nullable=True),
        _time("created_at"),
        _time("revoked_at", nullable=True),
        sa.UniqueConstraint("key_hash", name="api_keys_hash"),
        sa.CheckConstraint(
            "scopes <@ ARRAY['read', 'write', 'tools:read', 'tools:write', 'admin']", name="api_keys_scopes"
        ),
    )
    op.create_index("api_keys_user", "api_keys", ["user_id"])


def downgrade() -> None:
    for table in ("api_keys", "refresh_tokens", "login_sessions"):
        op.drop_table(table)
    for column in ("signs_from", "retired_at"):
        op.drop_column("signing_keys", column)
    for column in (
        *("email", "password_hash", "name", "timezone", "role", "tier"),
        *("password_expires_at", "disabled_at", "last_login_at"),
    ):
        op.drop_column("users", column)
