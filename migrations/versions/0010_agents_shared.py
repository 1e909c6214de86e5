"""Agents that are described, archived and shared; the default ones; runs by agent."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# The id of the issuer `turnlog` and the empty subject, which no token may have.
_SYSTEM = "e46975b0-563a-5664-9fdd-2d448fc83f3f"
_ASSISTANT: dict[str, Any] = {
    "id": "01a20068-bde8-725a-8615-4c46b17c53f5",
    "name": "Assistant",
    "description": "Helps with anything, with all the tools there are.",
    "tools": None,
    "system_prompt": (
        "You are the user's assistant. You keep their todos and files, and you calculate, tell the time and "
        "search the web. Use a tool for anything that a tool can do or knows better than you. Then answer "
        "briefly from its result, and if it failed, say so."
    ),
}
_TODO_ASSISTANT: dict[str, Any] = {
    "id": "01a20068-bde8-725a-8615-4c47ea8cddd8",
    "name": "Todo assistant",
    "description": "Keeps the todos: adds, finds, changes and completes them.",
    "tools": [
        *("add_todo", "list_todos", "update_todo", "complete_todo", "delete_todo"),
        *("current_time", "convert_time"),
    ],
    "system_prompt": (
        "You keep the user's todos and nothing else. Add, list, change, complete and delete them with the "
        "tools, never from memory: look a todo up before you change it. Work out dates such as “tomorrow” "
        "with the tools for the time. Say in one sentence what you did, and in a short list what there is. "
        "Politely leave everything else to others."
    ),
}


def upgrade() -> None:
    for table in ("agents", "agent_versions"):
        op.add_column(table, sa.Column("description", sa.Text(), nullable=True))
        op.add_column(table, sa.Column("status", sa.Text(), nullable=False, server_default="active"))
        op.add_column(table, sa.Column("metadata", JSONB(), nullable=False, server_default="{}"))
        for column in ("status", "metadata"):
            op.alter_column(table, column, server_default=None)
    op.add_column("agents", sa.Column("everyone", sa.Text(), nullable=True))
    op.create_check_constraint("agents_status", "agents", "status IN ('active', 'archived')")
    op.create_check_constraint("agents_everyone", "agents", "everyone IN ('read', 'use')")
    op.create_index("agents_of_everyone", "agents", ["id"], postgresql_where=sa.text("everyone IS NOT NULL"))
    _create_shares()
    op.create_index(
        "runs_answered_by",
        "runs",
        ["agent_id", "created_at"],
        postgresql_where=sa.text("agent_id IS NOT NULL"),
    )
    _seed()


def _create_shares() -> None:
    op.create_table(
        "agent_shares",
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("agent_id", sa.Uuid(), sa.ForeignKey("agents.id", ondelete="CASCADE"), nullable=False),
        sa.Column("allows", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "agent_id"),
        sa.CheckConstraint("allows IN ('read', 'use')", name="agent_shares_allows"),
    )
    op.create_index("agent_shares_of_agent", "agent_shares", ["agent_id"])


def _seed() -> None:
    op.execute(sa.text(_PERSON).bindparams(id=_SYSTEM))
    for given in (_ASSISTANT, _TODO_ASSISTANT):
        row = {name: given[name] for name in ("id", "name", "description")}
        config: dict[str, Any] = {
            **dict.fromkeys(("provider", "model_id", "temperature", "max_tokens")),
            "system_prompt": given["system_prompt"],
            "tools": given["tools"],
            "approvals": {"tools": [], "not_read_only": False},
            "streaming": True,
        }
        parameters = {**row, "user_id": _SYSTEM, "config": json.dumps(config)}
        op.execute(sa.text(_AGENT).bindparams(**parameters))
        op.execute(sa.text(_VERSION).bindparams(**parameters))


_PERSON = """
    INSERT INTO users (id, issuer, subject, name, created_at)
    VALUES (CAST(:id AS uuid), 'turnlog', '', 'Turnlog', now())
"""
_AGENT = """
    INSERT INTO agents (id, user_id, version, name, description, status, config, metadata, everyone,
        created_at, updated_at)
    VALUES (CAST(:id AS uuid), CAST(:user_id AS uuid), 1, :name, :description, 'active',
        CAST(:config AS jsonb), '{}', 'use', now(), now())
"""
_VERSION = """
    INSERT INTO agent_versions (agent_id, version, user_id, name, description, status, config, metadata,
        created_at)
    VALUES (CAST(:id AS uuid), 1, CAST(:user_id AS uuid), :name, :description, 'active',
        CAST(:config AS jsonb), '{}', now())
"""


def downgrade() -> None:
    op.execute(sa.text("DELETE FROM users WHERE id = CAST(:id AS uuid)").bindparams(id=_SYSTEM))
    op.drop_index("runs_answered_by", "runs")
    op.drop_table("agent_shares")
    op.drop_index("agents_of_everyone", "agents")
    for constraint in ("agents_status", "agents_everyone"):
        op.drop_constraint(constraint, "agents")
    op.drop_column("agents", "everyone")
    for table in ("agents", "agent_versions"):
        for column in ("description", "status", "metadata"):
            op.drop_column(table, column)
