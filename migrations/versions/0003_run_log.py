"""The log of a run, its attempts, its idempotency key; how a message ended."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_STATUSES = "'queued', 'running', 'requires_action', 'completed', 'failed', 'cancelled'"
_OLD_STATUSES = "'running', 'completed', 'failed'"


def _new_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("request_hash", sa.LargeBinary(), nullable=True),
        sa.Column("timezone", sa.Text(), nullable=True),
        sa.Column("folded", sa.Boolean(), nullable=False, server_default=sa.false()),
    ]


def upgrade() -> None:
    for column in _new_columns():
        op.add_column("runs", column)
    # Each run's first message is the user's.
    op.execute(
        "UPDATE runs SET position = (SELECT min(position) FROM messages WHERE messages.run_id = runs.id)"
    )
    op.execute("DELETE FROM runs WHERE position IS NULL")
    op.alter_column("runs", "position", nullable=False)
    for name in ("attempt", "cancel_requested", "folded"):
        op.alter_column("runs", name, server_default=None)
    for name in ("lease_owner", "lease_until"):
        op.alter_column("runs", name, nullable=True)
    _replace_status_check(_STATUSES)
    _create_run_indexes()
    _create_events()
    # Whoever goes on with a run that is live now finds the beginning of a log.
    op.execute(
        """
        INSERT INTO events (run_id, seq, first_seq, user_id, type, data, at)
        SELECT id, 1, 1, user_id, 'run.started',
            jsonb_build_object('conversation_id', conversation_id, 'position', position), created_at
        FROM runs WHERE status = 'running'
        """
    )
    op.add_column("messages", sa.Column("status", sa.Text(), nullable=False, server_default="completed"))
    op.alter_column("messages", "status", server_default=None)
    op.create_check_constraint(
        "messages_status", "messages", "status IN ('completed', 'failed', 'cancelled')"
    )


def _replace_status_check(statuses: str) -> None:
    op.drop_constraint("runs_status", "runs")
    op.create_check_constraint("runs_status", "runs", f"status IN ({statuses})")


def _create_run_indexes() -> None:
    op.drop_index("runs_one_live_a_conversation")
    op.create_index(
        "runs_one_live_a_conversation",
        "runs",
        ["user_id", "conversation_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('running', 'requires_action')"),
    )
    op.create_index(
        "runs_idempotency",
        "runs",
        ["user_id", "idempotency_key"],
        unique=True,
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    )
    op.create_index("runs_of_user", "runs", ["user_id", "id"])
    op.create_index(
        "runs_unfinished",
        "runs",
        ["status", "lease_until"],
        postgresql_where=sa.text("status IN ('queued', 'running')"),
    )
    op.create_index(
        "runs_queued",
        "runs",
        ["user_id", "conversation_id", "position"],
        postgresql_where=sa.text("status = 'queued'"),
    )
    op.create_index(
        "runs_unfolded",
        "runs",
        ["finished_at"],
        postgresql_where=sa.text("finished_at IS NOT NULL AND NOT folded"),
    )


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("run_id", sa.Uuid(), sa.ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("data", JSONB(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "seq"),
    )


def downgrade() -> None:
    op.drop_constraint("messages_status", "messages")
    op.drop_column("messages", "status")
    op.drop_table("events")
    for name in ("runs_unfolded", "runs_queued", "runs_unfinished", "runs_of_user", "runs_idempotency"):
        op.drop_index(name)
    op.execute("UPDATE runs SET status = 'failed' WHERE status NOT IN ('completed', 'failed')")
    op.execute("UPDATE runs SET lease_owner = id WHERE lease_owner IS NULL")
    op.execute("UPDATE runs SET lease_until = created_at WHERE lease_until IS NULL")
    for name in ("lease_owner", "lease_until"):
        op.alter_column("runs", name, nullable=False)
    op.drop_index("runs_one_live_a_conversation")
    op.create_index(
        "runs_one_live_a_conversation",
        "runs",
        ["user_id", "conversation_id"],
        unique=True,
        postgresql_where=sa.text("status = 'running'"),
    )
    _replace_status_check(_OLD_STATUSES)
    for column in _new_columns():
        op.drop_column("runs", column.name)
