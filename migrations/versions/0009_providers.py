"""Providers that people name, and what became of the turns that they did not answer."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "provider_configs",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("base_url", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("anywhere", sa.Boolean(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("timeout_seconds", sa.Float(), nullable=True),
        sa.Column("first_token_seconds", sa.Float(), nullable=True),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("context_tokens", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('ollama', 'lmstudio', 'openai')", name="provider_configs_kind"),
        sa.CheckConstraint(
            "name NOT IN ('ollama', 'lmstudio', 'openai', 'local')", name="provider_configs_reserved"
        ),
    )
    op.create_index("provider_configs_name", "provider_configs", ["user_id", "name"], unique=True)
    op.create_index(
        "provider_configs_shared_name",
        "provider_configs",
        ["name"],
        unique=True,
        postgresql_where=sa.text("shared"),
    )
    op.execute(
        """
        CREATE FUNCTION tell_provider_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_notify('turnlog_providers', '');
            RETURN NULL;
        END
        $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER provider_configs_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE
        ON provider_configs FOR EACH STATEMENT EXECUTE FUNCTION tell_provider_change()
        """
    )
    fallbacks = sa.Column("fallbacks", JSONB(), server_default=sa.text("'[]'"), nullable=False)
    op.add_column("runs", fallbacks)


def downgrade() -> None:
    op.drop_column("runs", "fallbacks")
    op.drop_table("provider_configs")
    op.execute("DROP FUNCTION tell_provider_change()")
