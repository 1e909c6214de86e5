"""Branches, titles, states, feedback and search of conversations; options of turns."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


_SEARCHED = "to_tsvector('simple', left(content, 100000)) || array_to_tsvector(ARRAY['u:' || user_id::text])"
_TITLES = r"""
    UPDATE conversations SET title_source = 'message',
        title = CASE WHEN length(line) > 60 THEN rtrim(regexp_replace(left(line, 60), ' [^ ]*$', '')) || '…'
            ELSE line END
    FROM (
        SELECT conversation_id, btrim(regexp_replace(
            split_part(btrim(content, E' \t\n\r'), E'\n', 1), '\s+', ' ', 'g'
        )) AS line
        FROM messages WHERE position = 0 AND role = 'user'
    ) AS first
    WHERE first.conversation_id = conversations.id AND line <> ''
"""
_AGENTS = """
    UPDATE conversations SET agent_id = newest.agent_id
    FROM (
        SELECT DISTINCT ON (conversation_id) conversation_id, agent_id FROM runs
        ORDER BY conversation_id, position DESC
    ) AS newest
    WHERE newest.conversation_id = conversations.id AND newest.agent_id IS NOT NULL
"""


def _time(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True)


def upgrade() -> None:
    _extend_conversations()
    _extend_messages()
    op.add_column("runs", sa.Column("answer_position", sa.Integer(), nullable=True))
    op.execute("UPDATE runs SET answer_position = position + 1")
    op.alter_column("runs", "answer_position", nullable=False)
    op.add_column("runs", sa.Column("options", JSONB(), nullable=True))
    op.create_check_constraint("runs_answer", "runs", "answer_position > position")
    _index_queue("answer_position")


def _extend_conversations() -> None:
    for name in ("title", "title_source"):
        op.add_column("conversations", sa.Column(name, sa.Text(), nullable=True))
    op.add_column("conversations", sa.Column("agent_id", sa.Uuid(), nullable=True))
    for name in ("archived_at", "deleted_at"):
        op.add_column("conversations", _time(name))
    op.add_column("conversations", sa.Column("metadata", JSONB(), nullable=False, server_default="{}"))
    op.add_column("conversations", sa.Column("branched", sa.Boolean(), nullable=False, server_default="f"))
    op.execute(_TITLES)
    op.execute(_AGENTS)
    op.create_check_constraint(
        "conversations_title_source", "conversations", "title_source IN ('message', 'model', 'user')"
    )
    op.create_check_constraint(
        "conversations_title", "conversations", "(title IS NULL) = (title_source IS NULL)"
    )
    op.drop_index("conversations_recent")
    op.create_index(
        "conversations_recent",
        "conversations",
        ["user_id", "updated_at", "id"],
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index("conversations_of_agent", "conversations", ["user_id", "agent_id", "updated_at", "id"])
    op.create_index(
        "conversations_deleted",
        "conversations",
        ["deleted_at"],
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )


def _extend_messages() -> None:
    op.alter_column("messages", "run_id", nullable=True)
    op.add_column("messages", sa.Column("parent_position", sa.Integer(), nullable=True))
    op.execute("UPDATE messages SET parent_position = position - 1 WHERE position > 0")
    for name in ("deleted_at", "rated_at"):
        op.add_column("messages", _time(name))
    op.add_column("messages", sa.Column("rating", sa.SmallInteger(), nullable=True))
    op.add_column("messages", sa.Column("comment", sa.Text(), nullable=True))
    op.create_check_constraint("messages_parent", "messages", "parent_position < position")
    op.create_check_constraint("messages_rating", "messages", "rating IN (-1, 1)")
    op.drop_index("messages_conversation")
    op.create_index("messages_conversation", "messages", ["conversation_id", "parent_position"])
    # This writes the table anew, without what the update above has left.
    op.add_column("messages", sa.Column("search", TSVECTOR(), sa.Computed(_SEARCHED, persisted=True)))
    op.create_index("messages_search", "messages", ["search"], postgresql_using="gin")
    op.create_index(
        "messages_rated", "messages", ["user_id", "id"], postgresql_where=sa.text("rating IS NOT NULL")
    )


def _index_queue(position: str) -> None:
    op.drop_index("runs_queued")
    op.create_index(
        "runs_queued",
        "runs",
        ["user_id", "conversation_id", position],
        postgresql_where=sa.text("status = 'queued'"),
    )


def downgrade() -> None:
    """Branches become a sequence, what is deleted or archived is back, with what is left of it."""
    _index_queue("position")
    op.drop_constraint("runs_answer", "runs")
    for name in ("options", "answer_position"):
        op.drop_column("runs", name)
    for name in ("messages_search", "messages_rated"):
        op.drop_index(name)
    op.execute("UPDATE messages SET run_id = gen_random_uuid() WHERE run_id IS NULL")
    op.alter_column("messages", "run_id", nullable=False)
    for name in ("search", "parent_position", "deleted_at", "rating", "comment", "rated_at"):
        op.drop_column("messages", name)
    op.create_index("messages_conversation", "messages", ["conversation_id"])
    for name in ("conversations_deleted", "conversations_of_agent", "conversations_recent"):
        op.drop_index(name)
    op.create_index("conversations_recent", "conversations", ["user_id", "updated_at"])
    for name in (
        *("title", "title_source", "agent_id", "archived_at", "deleted_at"),
        *("metadata", "branched"),
    ):
        op.drop_column("conversations", name)
