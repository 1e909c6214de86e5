"""First tables: signing keys, todos, users, conversations, messages, runs."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _id() -> sa.Column[UUID]:
    return sa.Column("id", sa.Uuid(), primary_key=True)


def _uuid(name: str) -> sa.Column[UUID]:
    return sa.Column(name, sa.Uuid(), nullable=False)


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _time(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _belongs_to(name: str, target: str) -> sa.Column[UUID]:
    return sa.Column(name, sa.Uuid(), sa.ForeignKey(target, ondelete="CASCADE"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "signing_keys", _id(), sa.Column("private_key", sa.LargeBinary(), nullable=False), _time("created_at")
    )
    _create_todos()
    op.create_table(
        "users",
        _id(),
        _text("issuer"),
        _text("subject"),
        _time("created_at"),
        sa.UniqueConstraint("issuer", "subject", name="users_issuer_subject"),
    )
    _create_conversations()
    _create_messages()
    _create_runs()


def _create_todos() -> None:
    op.create_table(
        "todos",
        _id(),
        _uuid("user_id"),
        _text("title"),
        _text("notes", nullable=True),
        _time("due", nullable=True),
        _text("priority"),
        sa.Column("tags", ARRAY(sa.Text()), nullable=False),
        _time("completed_at", nullable=True),
        _time("created_at"),
        _time("updated_at"),
        sa.CheckConstraint("priority IN ('low', 'normal', 'high')", name="todos_priority"),
    )
    op.create_index("todos_open", "todos", ["user_id", "completed_at", "id"])


def _create_conversations() -> None:
    op.create_table(
        "conversations",
        _id(),
        _belongs_to("user_id", "users.id"),
        sa.Column("next_position", sa.Integer(), nullable=False),
        _time("created_at"),
        _time("updated_at"),
    )
    op.create_index("conversations_recent", "conversations", ["user_id", "updated_at"])


def _create_messages() -> None:
    op.create_table(
        "messages",
        _id(),
        _uuid("user_id"),
        _belongs_to("conversation_id", "conversations.id"),
        _uuid("run_id"),
        sa.Column("position", sa.Integer(), nullable=False),
        _text("role"),
        _text("content"),
        sa.Column("tool_calls", JSONB(), nullable=False),
        _time("created_at"),
        sa.UniqueConstraint("user_id", "conversation_id", "position", name="messages_position"),
        sa.CheckConstraint("role IN ('user', 'assistant')", name="messages_role"),
    )
    op.create_index("messages_conversation", "messages", ["conversation_id"])


def _create_runs() -> None:
    op.create_table(
        "runs",
        _id(),
        _uuid("user_id"),
        _belongs_to("conversation_id", "conversations.id"),
        _text("status"),
        _uuid("lease_owner"),
        _time("lease_until"),
        _text("provider", nullable=True),
        _text("model", nullable=True),
        sa.Column("usage", JSONB(), nullable=True),
        sa.Column("error", JSONB(), nullable=True),
        _time("created_at"),
        _time("finished_at", nullable=True),
        sa.CheckConstraint("status IN ('running', 'completed', 'failed')", name="runs_status"),
    )
    op.create_index("runs_conversation", "runs", ["conversation_id"])
    op.create_index(
        "runs_one_live_a_conversation",
        "runs",
        ["user_id", "conversation_id"],
        unique=True,
        postgresql_where=sa.text("status = 'running'"),
    )


def downgrade() -> None:
    for table in ("runs", "messages", "conversations", "users", "todos", "signing_keys"):
        op.drop_table(table)
