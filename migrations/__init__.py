"""One Alembic history for both services."""
