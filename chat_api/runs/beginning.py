"""The statements by which turns begin: each keeps a run, its first event and what was said."""

from typing import Final

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

__all__ = ["AGAIN", "AT_ROOT", "EDIT", "NEW_CONVERSATION", "NEXT_TURN", "UNDER"]

_RUN: Final = """
    INSERT INTO runs (id, user_id, conversation_id, position, answer_position, status, attempt, lease_owner,
        lease_until, cancel_requested, idempotency_key, request_hash, timezone, agent_id, agent_version,
        options, folded, created_at)
"""
_RUN_VALUES: Final = """
    CASE WHEN runs_now THEN 'running' ELSE 'queued' END, runs_now::int,
    CASE WHEN runs_now THEN CAST(:worker AS uuid) END,
    CASE WHEN runs_now THEN now() + make_interval(secs => :lease) END,
    false, :key, :request_hash, :timezone, CAST(:agent_id AS uuid), CAST(:agent_version AS int),
    :options, false, :at
"""
_EVENT: Final = """
    INSERT INTO events (run_id, seq, first_seq, user_id, type, data, at)
    SELECT id, 1, 1, :user_id, 'run.started', :data || jsonb_build_object('position', position), :at FROM run
"""
_MESSAGE: Final = """
    INSERT INTO messages
        (id, user_id, conversation_id, run_id, position, parent_position, role, content, tool_calls, status,
        created_at)
    SELECT :message_id, :user_id, :conversation_id, id, position, {parent}, 'user', :content, '[]',
        'completed', :at
    FROM run
"""
_NEW_CONVERSATION: Final = f"""
    WITH person AS (
        INSERT INTO users (id, issuer, subject, created_at) VALUES (:user_id, :issuer, :subject, :at)
        ON CONFLICT DO NOTHING
    ), conversation AS (
        INSERT INTO conversations
            (id, user_id, next_position, title, title_source, agent_id, created_at, updated_at)
        VALUES (:conversation_id, :user_id, 2, :title, 'message', CAST(:agent_id AS uuid), :at, :at)
    ), run AS (
        {_RUN} SELECT :run_id, :user_id, :conversation_id, 0, 1, {_RUN_VALUES}
        FROM (SELECT CAST(:runs_now AS boolean) AS runs_now) AS place
        RETURNING id, position, answer_position, status
    ), event AS ({_EVENT}), message AS ({_MESSAGE.format(parent="NULL")})
    SELECT position, answer_position, status, CAST(NULL AS int) AS parent_position, false AS branched FROM run
"""  # noqa: S608

_IN_LINE: Final = """(
    SELECT count(*) FROM runs
    WHERE user_id = :user_id AND conversation_id = :conversation_id AND status = 'queued'
)"""
_LIVE: Final = """EXISTS (
    SELECT FROM runs WHERE user_id = :user_id AND conversation_id = :conversation_id
        AND status IN ('running', 'requires_action')
)"""
# Who had to wait for another turn to be taken would count the queue of before, and so takes none. Who may not
# wait in line takes none behind a live turn, also where this process has no room for one more.
_PLACE: Final = f"""
    UPDATE conversations SET next_position = next_position + 2, updated_at = :at,
        agent_id = CAST(:agent_id AS uuid), archived_at = NULL, branched = {{branched}},
        title = CASE next_position WHEN 0 THEN coalesce(title, :title) ELSE title END,
        title_source = CASE next_position WHEN 0 THEN coalesce(title_source, 'message') ELSE title_source END
    WHERE id = :conversation_id AND user_id = :user_id AND deleted_at IS NULL AND {{allowed}}
        AND next_position = (SELECT next_position FROM conversations WHERE id = :conversation_id)
        AND {_IN_LINE} <= :most_queued AND (:most_queued > 0 OR NOT {_LIVE})
    RETURNING next_position - 2 AS first, branched, {_IN_LINE} AS queued
"""  # noqa: S608
_QUEUE: Final = f"""
    run AS (
        {_RUN} SELECT :run_id, :user_id, :conversation_id, {{position}}, first + 1, {_RUN_VALUES}
        FROM (SELECT first, queued, :runs_now AND queued = 0 AS runs_now FROM place) AS place
        RETURNING id, position, answer_position, status
    ), event AS ({_EVENT})
"""  # noqa: S608
_NEXT_TURN: Final = f"""
    WITH place AS ({_PLACE.format(branched="branched", allowed="true")}),
    {_QUEUE.format(position="first")},
    message AS ({_MESSAGE.format(parent="nullif(position - 1, -1)")})
    SELECT position, answer_position, status, nullif(position - 1, -1) AS parent_position, branched
    FROM run CROSS JOIN place
"""  # noqa: S608

# What follows a message that has no answer follows where its answer is, or is to be.
_UNDER: Final = """
    SELECT CASE WHEN found.role = 'user' AND NOT EXISTS (
        SELECT FROM messages AS next WHERE next.user_id = :user_id
            AND next.conversation_id = :conversation_id AND next.position = found.position + 1
    ) THEN found.position + 1 ELSE found.position END AS position
    FROM messages AS found
    WHERE found.id = :target AND found.user_id = :user_id AND found.conversation_id = :conversation_id
"""
_OF_EDITED: Final = """
    SELECT parent_position AS position FROM messages
    WHERE id = :target AND user_id = :user_id AND conversation_id = :conversation_id
        AND role = 'user' AND deleted_at IS NULL
"""
_QUESTION: Final = """
    SELECT question.position, question.parent_position, question.content
    FROM messages AS asked JOIN messages AS question
        ON question.user_id = asked.user_id AND question.conversation_id = asked.conversation_id
        AND question.position = CASE asked.role WHEN 'user' THEN asked.position ELSE asked.parent_position END
    WHERE asked.id = :target AND asked.user_id = :user_id AND asked.conversation_id = :conversation_id
        AND question.role = 'user' AND question.deleted_at IS NULL
"""


def _branch(parent: str) -> TextClause:
    """A turn that follows `parent`, a query of one row with a position."""
    newest = "nullif(next_position - 1, -1)"
    branched = f"branched OR (SELECT position FROM parent) IS DISTINCT FROM {newest}"  # noqa: S608
    return _statement(
        f"""
        WITH parent AS ({parent}),
        place AS ({_PLACE.format(branched=branched, allowed="EXISTS (SELECT FROM parent)")}),
        {_QUEUE.format(position="first")},
        message AS ({_MESSAGE.format(parent="(SELECT position FROM parent)")})
        SELECT run.position, answer_position, status, parent.position AS parent_position, branched
        FROM run CROSS JOIN place CROSS JOIN parent
        """  # noqa: S608
    )


def _statement(sql: str) -> TextClause:
    return text(sql).bindparams(
        bindparam("data", type_=JSONB), bindparam("options", type_=JSONB(none_as_null=True))
    )


NEW_CONVERSATION: Final = _statement(_NEW_CONVERSATION)
NEXT_TURN: Final = _statement(_NEXT_TURN)
UNDER: Final = _branch(_UNDER)
AT_ROOT: Final = _branch("SELECT CAST(NULL AS int) AS position")
EDIT: Final = _branch(_OF_EDITED)
# Another answer to what was said: it takes the second of two positions, as every answer does.
AGAIN: Final = _statement(
    f"""
    WITH question AS ({_QUESTION}),
    place AS ({_PLACE.format(branched="true", allowed="EXISTS (SELECT FROM question)")}),
    {_QUEUE.format(position="(SELECT position FROM question)")}
    SELECT run.position, answer_position, status, question.parent_position, branched, question.content
    FROM run CROSS JOIN place CROSS JOIN question
    """  # noqa: S608
)
