"""Agents and their versions; which one a run is of; how often people ask."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agents",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("config", JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("agents_of_user", "agents", ["user_id", "id"])
    op.create_table(
        "agent_versions",
        sa.Column("agent_id", sa.Uuid(), sa.ForeignKey("agents.id", ondelete="CASCADE"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("config", JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("agent_id", "version"),
    )
    # Not logged, as a crash may forget it.
    op.create_table(
        "rate_limits",
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("hits", sa.Integer(), nullable=False),
        sa.Column("resets_at", sa.DateTime(timezone=True), nullable=False),
        prefixes=["UNLOGGED"],
    )
    op.create_index("ix_rate_limits_resets_at", "rate_limits", ["resets_at"])
    op.add_column("runs", sa.Column("agent_id", sa.Uuid(), nullable=True))
    op.add_column("runs", sa.Column("agent_version", sa.Integer(), nullable=True))
    op.execute(
        """
        UPDATE events SET data = data - 'repeat' || jsonb_build_object(
            'decision', CASE WHEN CAST(data ->> 'repeat' AS boolean) THEN 'approve' ELSE 'reject' END
        )
        WHERE type = 'step.updated' AND data ? 'repeat'
        """
    )


def downgrade() -> None:
    op.execute(
        """
        UPDATE events SET data = data - 'decision'
            || jsonb_build_object('repeat', data ->> 'decision' = 'approve')
        WHERE type = 'step.updated' AND data ? 'decision'
        """
    )
    op.drop_table("rate_limits")
    op.drop_column("runs", "agent_version")
    op.drop_column("runs", "agent_id")
    op.drop_table("agent_versions")
    op.drop_table("agents")
