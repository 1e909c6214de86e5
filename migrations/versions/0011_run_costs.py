"""What runs cost, and the order and filters of their list; who was erased a short time ago."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # What runs cost that ended before is unknown: prices were others then.
    op.add_column("runs", sa.Column("cost_usd", sa.Numeric(), nullable=True))
    op.drop_index("runs_of_user")
    op.create_index("runs_recent", "runs", ["user_id", "created_at", "id"])
    op.create_index(
        "runs_of_agent",
        "runs",
        ["user_id", "agent_id", "created_at", "id"],
        postgresql_where=sa.text("agent_id IS NOT NULL"),
    )
    op.create_index(
        "runs_not_completed",
        "runs",
        ["user_id", "created_at", "id"],
        postgresql_where=sa.text("status <> 'completed'"),
    )
    op.create_table(
        "erased_users",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("erased_users")
    for name in ("runs_not_completed", "runs_of_agent", "runs_recent"):
        op.drop_index(name)
    op.create_index("runs_of_user", "runs", ["user_id", "id"])
    op.drop_column("runs", "cost_usd")
