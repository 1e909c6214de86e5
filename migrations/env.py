"""Alembic's entry point: runs on the connection that `kit.postgres.migrate` opened."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
