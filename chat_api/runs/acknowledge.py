"""The first transaction of a turn, one statement: from then on it is not lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from sqlalchemy import Row, TextClause, bindparam, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from chat_api.agents.config import ModelOptions
from chat_api.agents.service import AgentRef
from chat_api.conversations.models import Conversation
from chat_api.conversations.service import ConversationNotFound
from chat_api.conversations.titles import title_of
from chat_api.runs.errors import ConversationBusy, KeyReused
from chat_api.runs.events import Event
from chat_api.runs.lease import LEASE_SECONDS
from chat_api.runs.models import IDEMPOTENCY, ONE_LIVE_RUN, Run
from kit.ids import new_id
from kit.postgres import Db
from kit.postgres.errors import violated
from kit.postgres.tables import now
from kit.tokens import Identity

__all__ = ["IfBusy", "Message", "Started", "acknowledge", "was_sent"]

IfBusy: TypeAlias = Literal["reject", "enqueue", "interrupt"]

_MOST_QUEUED: Final = 20
_DATA: Final = bindparam("data", type_=JSONB)
_OPTIONS: Final = bindparam("options", type_=JSONB(none_as_null=True))
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
    SELECT id, 1, 1, :user_id, 'run.started', :data, :at FROM run
"""
_MESSAGE: Final = """
    INSERT INTO messages
        (id, user_id, conversation_id, run_id, position, parent_position, role, content, tool_calls, status,
        created_at)
    SELECT :message_id, :user_id, :conversation_id, id, position, nullif(position - 1, -1), 'user', :content,
        '[]', 'completed', :at
    FROM run
"""
_NEW_CONVERSATION: Final = text(
    f"""
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
        RETURNING id, position, status
    ), event AS ({_EVENT}), message AS ({_MESSAGE})
    SELECT position, status FROM run
    """  # noqa: S608
).bindparams(_DATA, _OPTIONS)
# Who had to wait for another turn to be taken would count the queue of before, and so takes none.
_NEXT_TURN: Final = text(
    f"""
    WITH place AS (
        UPDATE conversations SET next_position = next_position + 2, updated_at = :at,
            agent_id = CAST(:agent_id AS uuid), archived_at = NULL,
            title = CASE next_position WHEN 0 THEN coalesce(title, :title) ELSE title END,
            title_source = CASE next_position WHEN 0 THEN coalesce(title_source, 'message')
                ELSE title_source END
        WHERE id = :conversation_id AND user_id = :user_id AND deleted_at IS NULL
            AND next_position = (SELECT next_position FROM conversations WHERE id = :conversation_id)
        RETURNING next_position - 2 AS position, (
            SELECT count(*) FROM runs
            WHERE user_id = :user_id AND conversation_id = :conversation_id AND status = 'queued'
        ) AS queued
    ), run AS (
        {_RUN} SELECT :run_id, :user_id, :conversation_id, position, position + 1, {_RUN_VALUES}
        FROM (SELECT position, queued, :runs_now AND queued = 0 AS runs_now FROM place) AS place
        WHERE queued <= :most_queued
        RETURNING id, position, status
    ), event AS ({_EVENT}), message AS ({_MESSAGE})
    SELECT position, status FROM run
    """  # noqa: S608
).bindparams(_DATA, _OPTIONS)


_LOCK: Final = text("SELECT FROM conversations WHERE id = :conversation_id FOR NO KEY UPDATE")


@dataclass(frozen=True, slots=True)
class Message:
    """What the user says, and how the turn is to be taken: by which agent, if not the default one.

    `options` is what it asks of its model in place of what the agent does.
    `key` makes the turn the same however often it is sent; `request_hash` tells whether it is.
    """

    content: str
    conversation_id: UUID | None = None
    agent: AgentRef | None = None
    options: ModelOptions | None = None
    if_busy: IfBusy = "reject"
    key: str | None = None
    request_hash: bytes | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """A turn that is kept. `mine`: this process holds its lease and is to drive it.

    `streaming`: its agent streams to who does not say.
    """

    run_id: UUID
    conversation_id: UUID
    position: int
    event: Event | None
    mine: bool = False
    streaming: bool = True


async def acknowledge(
    db: Db, worker: UUID, identity: Identity, message: Message, *, runs_now: bool
) -> Started:
    """Keep the user's message and its run, which `worker` has the lease of if it `runs_now`.

    An idempotency key that was sent before gives the run of that time. Raises ConversationNotFound for an id
    that is unknown or somebody else's, ConversationBusy where another turn is in the way and is to be, and
    KeyReused for a key that was sent with something else.
    """
    run_id, conversation_id, at = new_id(), message.conversation_id or new_id(), now()
    data = {"conversation_id": str(conversation_id), "position": 0}
    parameters: dict[str, Any] = {
        "user_id": identity.owner,
        "issuer": identity.issuer,
        "subject": identity.subject,
        "conversation_id": conversation_id,
        "run_id": run_id,
        "message_id": new_id(),
        "worker": worker,
        "lease": LEASE_SECONDS,
        "key": message.key,
        "request_hash": message.request_hash,
        "timezone": identity.zone,
        "agent_id": message.agent and message.agent.id,
        "agent_version": message.agent and message.agent.version,
        "options": message.options and message.options.model_dump(mode="json", exclude_none=True),
        "content": message.content,
        "title": title_of(message.content),
        "data": data,
        "at": at,
        "runs_now": runs_now,
    }
    statement = _NEW_CONVERSATION
    if message.conversation_id is not None:
        statement = _NEXT_TURN
        parameters["most_queued"] = 0 if message.if_busy == "reject" else _MOST_QUEUED
    try:
        if message.conversation_id is None or message.if_busy == "reject":
            rows = await db.run(statement, parameters)
        else:
            rows = await _in_line(db, statement, parameters)
    except IntegrityError as error:
        return await _instead(db, worker, identity, message, error)
    if not rows:
        return await _refused(db, identity, message)
    started = Event(run_id, 1, 1, "run.started", data, at)
    return Started(run_id, conversation_id, rows[0].position, started, mine=rows[0].status == "running")


async def _in_line(db: Db, statement: TextClause, parameters: dict[str, Any]) -> Sequence[Row[Any]]:
    """Take the turn once those before it are taken."""
    async with db.begin() as session:
        await session.execute(_LOCK, {"conversation_id": parameters["conversation_id"]})
        return (await session.execute(statement, parameters)).all()


async def _instead(
    db: Db, worker: UUID, identity: Identity, message: Message, error: IntegrityError
) -> Started:
    """What there is instead of a new run that runs."""
    match violated(error):
        case name if name == IDEMPOTENCY:
            return await _known(db, identity, message)
        case name if name == ONE_LIVE_RUN:
            # Whoever sent the same turn again wants that one, not to hear that it is in the way.
            known = await _find(db, identity, message)
            if known is not None:
                return _same(known, message)
            if message.if_busy == "reject":
                raise ConversationBusy from error
            return await acknowledge(db, worker, identity, message, runs_now=False)
        case _:
            raise error


async def _refused(db: Db, identity: Identity, message: Message) -> Started:
    known = await _find(db, identity, message)
    if known is not None:
        return _same(known, message)
    conversation = select(col(Conversation.id)).where(
        col(Conversation.id) == message.conversation_id,
        col(Conversation.user_id) == identity.owner,
        col(Conversation.deleted_at).is_(None),
    )
    async with db() as session:
        if await session.scalar(conversation) is None:
            raise ConversationNotFound
    raise ConversationBusy


async def _known(db: Db, identity: Identity, message: Message) -> Started:
    known = await _find(db, identity, message)
    if known is None:
        raise ConversationBusy  # its conversation was deleted at this very moment
    return _same(known, message)


async def was_sent(db: Db, user_id: UUID, key: str) -> bool:
    """Whether the user has sent a turn with this key."""
    return await _of_key(db, user_id, key) is not None


async def _find(db: Db, identity: Identity, message: Message) -> Run | None:
    return None if message.key is None else await _of_key(db, identity.owner, message.key)


async def _of_key(db: Db, user_id: UUID, key: str) -> Run | None:
    sent_before = select(Run).where(col(Run.user_id) == user_id, col(Run.idempotency_key) == key)
    async with db() as session:
        return await session.scalar(sent_before)


def _same(run: Run, message: Message) -> Started:
    if run.request_hash != message.request_hash:
        raise KeyReused
    return Started(run.id, run.conversation_id, run.position, None)
