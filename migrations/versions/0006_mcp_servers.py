"""Other MCP servers."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mcp_servers",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("auth", sa.Text(), nullable=False),
        sa.Column("header", sa.Text(), nullable=True),
        sa.Column("audience", sa.Text(), nullable=True),
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("anywhere", sa.Boolean(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("trusted", sa.Boolean(), nullable=False),
        sa.Column("timeout_seconds", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("auth IN ('none', 'bearer', 'header', 'user')", name="mcp_servers_auth"),
        sa.CheckConstraint("(auth = 'header') = (header IS NOT NULL)", name="mcp_servers_header"),
        sa.CheckConstraint("auth IN ('bearer', 'header') OR secret IS NULL", name="mcp_servers_secret"),
    )
    op.create_index("mcp_servers_name", "mcp_servers", ["user_id", "name"], unique=True)
    op.create_index(
        "mcp_servers_shared_name",
        "mcp_servers",
        ["name"],
        unique=True,
        postgresql_where=sa.text("shared"),
    )
    op.create_table(
        "mcp_server_changes",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
    )
    op.execute("INSERT INTO mcp_server_changes VALUES (gen_random_uuid(), 0)")
    op.execute(
        """
        CREATE FUNCTION count_mcp_server_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            UPDATE mcp_server_changes SET number = number + 1;
            RETURN NULL;
        END
        $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER mcp_servers_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON mcp_servers
        FOR EACH STATEMENT EXECUTE FUNCTION count_mcp_server_change()
        """
    )


def downgrade() -> None:
    op.drop_table("mcp_servers")
    op.execute("DROP FUNCTION count_mcp_server_change()")
    op.drop_table("mcp_server_changes")
