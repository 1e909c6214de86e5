"""Which of those who were erased log in elsewhere."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "erased_users", sa.Column("outside", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    )


def downgrade() -> None:
    # Without the column they would be kept out.
    op.execute("DELETE FROM erased_users WHERE outside")
    op.drop_column("erased_users", "outside")
