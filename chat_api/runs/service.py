"""What people do with turns: start, wait for, follow, stop them."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from chat_api.agents import service as agents
from chat_api.agents.config import ModelOptions
from chat_api.agents.errors import AgentArchived, AgentForbidden, AgentNotFound, TooManyTokens
from chat_api.agents.service import AgentRef
from chat_api.conversations.models import Message
from chat_api.runs import control, decisions
from chat_api.runs.acknowledge import Branch, Started, acknowledge, find_place, was_sent
from chat_api.runs.acknowledge import Message as NewMessage
from chat_api.runs.conclude import End
from chat_api.runs.decisions import Decision
from chat_api.runs.errors import ActionRequired, Interrupted, RunCancelled, RunFailed, RunNotFound
from chat_api.runs.events import Event
from chat_api.runs.lease import Claim
from chat_api.runs.models import FINAL, Run
from chat_api.runs.schemas import ChatRequest
from chat_api.runs.worker import Drive, Worker
from kit.limits import Quota
from kit.postgres import Db
from kit.postgres.tables import now
from kit.tokens import Identity

__all__ = [
    "TurnResult",
    "admitted",
    "agent_for",
    "answer_of",
    "cancel",
    "decide",
    "digest",
    "follow",
    "get_owned",
    "start",
    "take",
]

HEARTBEAT_SECONDS: Final = 15.0
_PATIENCE: Final = 10.0
# After which a run may wait for its user.
_TURNS: Final = frozenset({"approval.requested", "step.updated"})


@dataclass(frozen=True, slots=True)
class TurnResult:
    run_id: UUID
    conversation_id: UUID
    message_id: UUID
    text: str
    tool_calls: list[dict[str, Any]]
    usage: dict[str, Any]
    finished_at: datetime
    provider: str | None
    model: str | None
    fallbacks: list[dict[str, Any]]


def admitted(
    worker: Worker, identity: Identity, key: str | None
) -> AbstractAsyncContextManager[Quota | None]:
    """Where a turn may begin, and what is left of them. Raises what `Admission.admit` raises."""
    admission = worker.deps.admission
    return (
        nullcontext()
        if admission is None
        else admission.admit(identity, key, answer=worker.deps.answer_tokens)
    )


async def start(
    worker: Worker, identity: Identity, request: ChatRequest, key: str | None
) -> tuple[Started, Drive | None]:
    """Take the user's message: once this returns, the turn goes on to its end whatever happens to us.

    Returns it with its drive, where it is driven here. Raises what `agents.usable` and
    `acknowledge` raise.
    """
    message = NewMessage(
        content=request.message,
        conversation_id=request.conversation_id,
        agent=await agent_for(worker.deps.db, identity, request.agent_id, key),
        branch=_branch(request),
        if_busy=request.if_busy,
        key=key,
        request_hash=_digest(request) if key is not None else None,
        options=request.of_turn(),
    )
    return await take(worker, identity, message)


def _branch(request: ChatRequest) -> Branch | None:
    match request.parent_id:
        case None:
            return None
        case "root":
            return None if request.conversation_id is None else Branch("under")
        case message_id:
            return Branch("under", message_id)


async def take(worker: Worker, identity: Identity, message: NewMessage) -> tuple[Started, Drive | None]:
    """Begin the turn, here if there is room. Raises TooManyTokens, and what `acknowledge` does."""
    most = worker.deps.answer_tokens
    if message.options is not None and (message.options.max_tokens or 0) > most:
        raise TooManyTokens(most)
    if message.if_busy == "interrupt" and message.conversation_id is not None:
        await _make_way(worker.deps.db, identity.owner, message, message.conversation_id)
    runs_now = await worker.has_room()
    started, drive = await worker.hold(_take(worker, identity, message, runs_now=runs_now))
    if message.agent is not None and not message.agent.streaming:
        started = replace(started, streaming=False)
    return started, drive


async def _make_way(db: Db, user_id: UUID, message: NewMessage, conversation_id: UUID) -> None:
    """Cancel the other turns; but not for one that is refused. Raises what `find_place` raises."""
    if message.key is None or not await was_sent(db, user_id, message.key):
        await find_place(db, user_id, message)
    await control.cancel_all(db, user_id, conversation_id, but=message.key)


async def agent_for(
    db: Db, identity: Identity, agent_id: UUID | Literal["default"], key: str | None
) -> AgentRef | None:
    """The newest version of an agent, None for the default one. Raises what `agents.usable` does."""
    if agent_id == "default":
        return None
    try:
        return await agents.usable(db, identity, agent_id)
    except (AgentNotFound, AgentForbidden, AgentArchived):
        # Whoever sends a turn again wants that one, whatever became of its agent since.
        if key is None or not await was_sent(db, identity.owner, key):
            raise
        return None


async def _take(
    worker: Worker, identity: Identity, message: NewMessage, *, runs_now: bool
) -> tuple[Started, Drive | None]:
    started = await acknowledge(worker.deps.db, worker.id, identity, message, runs_now=runs_now)
    if not started.mine or started.event is None or started.place is None:
        return started, worker.drives.get(started.run_id)
    turn = Claim(
        run_id=started.run_id,
        user_id=identity.owner,
        issuer=identity.issuer,
        subject=identity.subject,
        place=started.place,
        attempt=1,
        content=started.content,
        timezone=identity.zone,
        agent=message.agent,
        options=message.options,
    )
    return started, worker.begin(turn, started.event)


def _digest(request: ChatRequest) -> bytes:
    """Of what makes two requests the same turn; how the answer is to come does not."""
    said = request.model_dump(mode="json", include={"message", "conversation_id", "agent_id"})
    # As they came: what is not there makes the digest that was kept before there was such a thing.
    chosen = {"parent_id", *ModelOptions.model_fields}
    return digest(said | request.model_dump(mode="json", include=chosen, exclude_none=True))


def digest(said: dict[str, Any]) -> bytes:
    return sha256(json.dumps(said, sort_keys=True).encode()).digest()


async def answer_of(worker: Worker, identity: Identity, started: Started, drive: Drive | None) -> TurnResult:
    """Wait for the turn's answer. Raises a Problem where there is none."""
    end = await asyncio.shield(drive.task) if drive is not None else None
    if end is not None:
        return _result(started.run_id, started.conversation_id, end, now())
    if worker.stopping:
        raise Interrupted(started.run_id)
    after = 0
    while not worker.stopping:
        async for events in follow(worker, started.run_id, after, ended=False):
            after = events[-1].seq if events else after
            if not events or any(event.type in _TURNS for event in events):
                break
        run = await get_owned(worker.deps.db, identity.owner, started.run_id)
        # A decision that was asked for may have been taken long ago.
        if run.status in FINAL:
            return await _kept_result(worker.deps.db, run)
        requests = await decisions.pending(worker.deps.db, run.id)
        if requests:
            raise ActionRequired(run.id, requests)
    raise Interrupted(started.run_id)


async def _kept_result(db: Db, run: Run) -> TurnResult:
    answer = select(Message).where(
        col(Message.user_id) == run.user_id,
        col(Message.conversation_id) == run.conversation_id,
        col(Message.position) == run.answer_position,
    )
    async with db() as session:
        message = await session.scalar(answer)
    end = End(
        status=run.status,  # pyright: ignore[reportArgumentType]
        text=message.content if message else "",
        tool_calls=tuple(message.tool_calls) if message else (),
        usage=run.usage,
        error=run.error,
        provider=run.provider,
        model=run.model,
        fallbacks=tuple(run.fallbacks),
        message_id=message.id if message else run.id,
    )
    return _result(run.id, run.conversation_id, end, run.finished_at or now())


def _result(run_id: UUID, conversation_id: UUID, end: End, at: datetime) -> TurnResult:
    match end.status:
        case "failed":
            raise RunFailed(run_id, conversation_id, end.error or {})
        case "cancelled":
            raise RunCancelled(run_id, end.text)
        case "requires_action":
            raise ActionRequired(run_id, end.requests)
        case "completed":
            return TurnResult(
                run_id,
                conversation_id,
                end.message_id,
                end.text,
                list(end.tool_calls),
                end.usage or {},
                at,
                end.provider,
                end.model,
                list(end.fallbacks),
            )


def follow(worker: Worker, run_id: UUID, after: int, *, ended: bool) -> AsyncGenerator[list[Event]]:
    """The run's events after number `after`, to its end; an empty list now and then while nothing happens."""
    return worker.hub.follow(run_id, after, ended=ended, idle_seconds=HEARTBEAT_SECONDS)


async def get_owned(db: Db, user_id: UUID, run_id: UUID) -> Run:
    """One's own run. Raises RunNotFound for an id that is unknown or somebody else's."""
    async with db() as session:
        run = await session.get(Run, run_id)
    if run is None or run.user_id != user_id:
        raise RunNotFound
    return run


async def cancel(worker: Worker, user_id: UUID, run_id: UUID) -> Run:
    """Stop a run, wherever it is driven, and wait until it is over; one that is over stays as it is.

    Raises RunNotFound.
    """
    db = worker.deps.db
    run = await get_owned(db, user_id, run_id)
    if run.status in FINAL:
        return run
    await control.cancel(db, user_id, run_id)
    worker.cancel(run_id)
    worker.look_for_work()
    try:
        async with asyncio.timeout(_PATIENCE):
            async for _ in follow(worker, run_id, 0, ended=False):
                pass
    except TimeoutError:
        # Whoever drives it does not answer, and is taken over when its lease ends.
        pass
    return await get_owned(db, user_id, run_id)


async def decide(worker: Worker, user_id: UUID, run_id: UUID, decision: Decision) -> Run:
    """Decide about a call that a run waits for; it goes on once all are decided. Safe to repeat.

    Raises RunNotFound, NothingToDecide.
    """
    db = worker.deps.db
    await get_owned(db, user_id, run_id)
    await decisions.decide(db, user_id, run_id, decision)
    worker.look_for_work()
    return await get_owned(db, user_id, run_id)
