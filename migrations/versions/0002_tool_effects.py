"""What tools have done for calls that carry a key."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON, JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tool_effects",
        sa.Column("user_id", sa.Uuid(), primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("tool", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        # JSONB would sort its members, and a repeat is to be answered as the first call was.
        sa.Column("result", JSON(), nullable=False),
        sa.Column("redo", JSONB(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("tool_effects_age", "tool_effects", ["created_at"])


def downgrade() -> None:
    op.drop_table("tool_effects")
