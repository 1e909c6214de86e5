"""The first transaction of a turn, one statement: from then on it is not lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from sqlalchemy import Row, TextClause, select, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from chat_api.agents.config import ModelOptions
from chat_api.agents.service import AgentRef
from chat_api.conversations.errors import MessageNotFound
from chat_api.conversations.models import Conversation
from chat_api.conversations.models import Message as MessageRow
from chat_api.conversations.places import Place
from chat_api.conversations.service import ConversationNotFound
from chat_api.conversations.titles import title_of
from chat_api.runs import beginning
from chat_api.runs.errors import ConversationBusy, KeyReused, NotTheUsers
from chat_api.runs.events import Event
from chat_api.runs.lease import LEASE_SECONDS
from chat_api.runs.models import IDEMPOTENCY, ONE_LIVE_RUN, Run
from kit.ids import new_id
from kit.postgres import Db
from kit.postgres.errors import violated
from kit.postgres.tables import now
from kit.tokens import Identity

__all__ = ["Branch", "IfBusy", "Message", "Started", "acknowledge", "find_place", "was_sent"]

IfBusy: TypeAlias = Literal["reject", "enqueue", "interrupt"]

_MOST_QUEUED: Final = 20
_LOCK: Final = text("SELECT FROM conversations WHERE id = :conversation_id FOR NO KEY UPDATE")


@dataclass(frozen=True, slots=True)
class Branch:
    """Where a turn stands that need not follow the newest one.

    `under` that message, or at the root where there is none; in place of it, with another text; or `again`,
    with the same text or that which it answers.
    """

    how: Literal["under", "edit", "again"]
    message_id: UUID | None = None


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
    branch: Branch | None = None
    if_busy: IfBusy = "reject"
    key: str | None = None
    request_hash: bytes | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """A turn that is kept. `mine`: this process holds its lease and is to drive it, at `place`.

    `content` is what the user said. `streaming`: its agent streams to who does not say.
    """

    run_id: UUID
    conversation_id: UUID
    event: Event | None = None
    place: Place | None = None
    content: str = ""
    mine: bool = False
    streaming: bool = True


async def acknowledge(
    db: Db, worker: UUID, identity: Identity, message: Message, *, runs_now: bool
) -> Started:
    """Keep the user's message and its run, which `worker` has the lease of if it `runs_now`.

    An idempotency key that was sent before gives the run of that time. Raises ConversationNotFound and
    MessageNotFound for ids that are unknown, deleted or somebody else's, NotTheUsers where an answer is to be
    edited, ConversationBusy where another turn is in the way and is to be, and KeyReused for a key that was
    sent with something else.
    """
    parameters = _parameters(worker, identity, message, runs_now=runs_now)
    try:
        rows = await _begin(db, message, parameters)
    except IntegrityError as error:
        return await _instead(db, worker, identity, message, error)
    if not rows:
        return await _refused(db, identity, message)
    [row] = rows
    run_id, conversation_id = parameters["run_id"], parameters["conversation_id"]
    data = parameters["data"] | {"position": row.position}
    return Started(
        run_id=run_id,
        conversation_id=conversation_id,
        event=Event(run_id, 1, 1, "run.started", data, parameters["at"]),
        place=Place(conversation_id, row.position, row.answer_position, row.parent_position, row.branched),
        content=row.content if _is_again(message) else message.content,
        mine=row.status == "running",
    )


def _parameters(worker: UUID, identity: Identity, message: Message, *, runs_now: bool) -> dict[str, Any]:
    conversation_id, message_id = message.conversation_id or new_id(), new_id()
    data = {"conversation_id": str(conversation_id)}
    return {
        "user_id": identity.owner,
        "issuer": identity.issuer,
        "subject": identity.subject,
        "conversation_id": conversation_id,
        "run_id": new_id(),
        "message_id": message_id,
        "target": message.branch and message.branch.message_id,
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
        "data": data if _is_again(message) else data | {"user_message_id": str(message_id)},
        "at": now(),
        "runs_now": runs_now,
        "most_queued": 0 if message.if_busy == "reject" else _MOST_QUEUED,
    }


def _is_again(message: Message) -> bool:
    return message.branch is not None and message.branch.how == "again"


async def _begin(db: Db, message: Message, parameters: dict[str, Any]) -> Sequence[Row[Any]]:
    if message.conversation_id is None:
        return await db.run(beginning.NEW_CONVERSATION, parameters)
    statement = _statement(message.branch)
    # A message that is to be answered again must not be deleted meanwhile.
    if message.if_busy == "reject" and not _is_again(message):
        return await db.run(statement, parameters)
    return await _in_line(db, statement, parameters)


def _statement(branch: Branch | None) -> TextClause:
    if branch is None:
        return beginning.NEXT_TURN
    if branch.message_id is None:
        return beginning.AT_ROOT
    return {"under": beginning.UNDER, "edit": beginning.EDIT, "again": beginning.AGAIN}[branch.how]


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
    await find_place(db, identity.owner, message)
    raise ConversationBusy


async def find_place(db: Db, user_id: UUID, message: Message) -> None:
    """Look at what a turn refers to. Raises what is wrong with it, if something is."""
    conversation = select(col(Conversation.id)).where(
        col(Conversation.id) == message.conversation_id,
        col(Conversation.user_id) == user_id,
        col(Conversation.deleted_at).is_(None),
    )
    async with db() as session:
        if await session.scalar(conversation) is None:
            raise ConversationNotFound
        branch = message.branch
        if branch is None or branch.message_id is None:
            return
        found = await session.get(MessageRow, branch.message_id)
        if found is None or found.user_id != user_id or found.conversation_id != message.conversation_id:
            raise MessageNotFound
        if branch.how == "under":
            return
        if branch.how == "edit" and found.role != "user":
            raise NotTheUsers
        question = select(col(MessageRow.id)).where(
            col(MessageRow.user_id) == user_id,
            col(MessageRow.conversation_id) == message.conversation_id,
            col(MessageRow.position) == (found.position if found.role == "user" else found.parent_position),
            col(MessageRow.role) == "user",
            col(MessageRow.deleted_at).is_(None),
        )
        if found.deleted_at is not None or await session.scalar(question) is None:
            raise MessageNotFound


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
    return Started(run.id, run.conversation_id)
