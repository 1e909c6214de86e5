"""A turn, from the user's message to the kept answer: one transaction before the model, one after."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from chat_api.agents.service import AgentConfig
from chat_api.auth.service import Delegation, ensure_user
from chat_api.conversations.history import Item, to_items
from chat_api.conversations.service import Place, add_message, recent_messages, take_place
from chat_api.providers.catalogue import Catalogue
from chat_api.providers.errors import ProviderFailed, ProviderUnreachable
from chat_api.providers.service import ChosenModel, Providers
from chat_api.runs.errors import ConversationBusy, Interrupted
from chat_api.runs.lease import end_expired, lease_end
from chat_api.runs.models import ONE_LIVE_RUN, Run
from chat_api.runs.runner import Answer, Task, drive
from chat_api.runs.schemas import ChatRequest
from chat_api.tools.bridge import ToolBridge, ToolUser
from kit.errors import Problem
from kit.ids import new_id
from kit.postgres import Db
from kit.postgres.errors import violated
from kit.postgres.tables import now
from kit.tokens import Identity

__all__ = ["TurnDeps", "TurnResult", "hand_over", "take_turn"]

_GRACE: Final = 1.0


@dataclass(frozen=True, slots=True)
class TurnResult:
    run_id: UUID
    conversation_id: UUID
    text: str
    tool_calls: list[dict[str, Any]]
    usage: dict[str, int]
    finished_at: datetime


@dataclass(frozen=True)
class TurnDeps:
    """What turns are made with. `worker` is this process; `live` are the runs that it drives."""

    db: Db
    agent: AgentConfig
    providers: Providers
    catalogue: Catalogue
    tools: ToolBridge
    delegation: Delegation
    timezone: str
    rounds: int
    context_tokens: int
    worker: UUID = field(default_factory=new_id)
    live: dict[UUID, asyncio.Task[TurnResult]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Turn:
    """A turn that has been acknowledged: its user message is in the database."""

    run_id: UUID
    identity: Identity
    place: Place
    items: list[Item]


async def take_turn(deps: TurnDeps, identity: Identity, request: ChatRequest) -> TurnResult:
    """Take the user's message, answer it, keep both.

    Once the message is kept, the turn goes on to its end even if the caller leaves. Raises a Problem where
    the turn cannot start or is not answered; in the second case the message stays.
    """
    turn = await _start(deps, identity, request)
    task = asyncio.create_task(_answer(deps, turn))
    deps.live[turn.run_id] = task
    task.add_done_callback(lambda _: deps.live.pop(turn.run_id))
    return await asyncio.shield(task)


async def _start(deps: TurnDeps, identity: Identity, request: ChatRequest) -> _Turn:
    """Keep the user's message and take the conversation's one live run, in one transaction."""
    run_id = new_id()
    try:
        async with deps.db.begin() as session:
            await ensure_user(session, identity)
            place = await take_place(session, identity.owner, request.conversation_id)
            history = [] if place.is_new else await recent_messages(session, identity.owner, place)
            if not place.is_new:
                await end_expired(session, identity.owner, place.conversation_id)
            session.add(
                Run(
                    id=run_id,
                    user_id=identity.owner,
                    conversation_id=place.conversation_id,
                    lease_owner=deps.worker,
                    lease_until=lease_end(),
                )
            )
            add_message(session, identity.owner, place, run_id, "user", request.message)
    except IntegrityError as error:
        if violated(error) == ONE_LIVE_RUN:
            raise ConversationBusy from error
        raise
    items = to_items(history, request.message, tokens=deps.context_tokens)
    return _Turn(run_id, identity, place, items)


async def _answer(deps: TurnDeps, turn: _Turn) -> TurnResult:
    """Drive the turn and keep how it ended, whichever way."""
    user = ToolUser(token=lambda: deps.delegation.token(turn.identity))
    chosen: ChosenModel | None = None
    try:
        chosen = await deps.providers.choose()
        answer = await drive(await _task(deps, turn, chosen, user), user)
    except Problem as problem:
        if isinstance(problem, ProviderUnreachable | ProviderFailed):
            deps.providers.forget()
        await _finish(deps, turn, chosen, user, problem)
        raise
    except asyncio.CancelledError:
        stopped = Interrupted()
        await asyncio.shield(_finish(deps, turn, chosen, user, stopped))
        raise stopped from None
    finished_at = await _finish(deps, turn, chosen, user, answer)
    return TurnResult(
        turn.run_id, turn.place.conversation_id, answer.text, user.calls, answer.usage, finished_at
    )


async def _task(deps: TurnDeps, turn: _Turn, chosen: ChosenModel, user: ToolUser) -> Task:
    return Task(
        instructions=deps.agent.instructions_for(turn.identity.zone or deps.timezone),
        items=turn.items,
        model=deps.catalogue.model(chosen),
        settings=deps.catalogue.settings(chosen),
        tools=await deps.tools.tools(user),
        rounds=deps.rounds,
    )


async def _finish(
    deps: TurnDeps, turn: _Turn, chosen: ChosenModel | None, user: ToolUser, outcome: Answer | Problem
) -> datetime:
    """Keep the answer, or why there is none with the calls that were made, in one transaction.

    Raises Interrupted where this process has lost the run's lease meanwhile.
    """
    finished_at = now()
    done: dict[str, Any] = {
        "provider": chosen.provider.name if chosen else None,
        "model": chosen.name if chosen else None,
        "finished_at": finished_at,
    }
    if isinstance(outcome, Answer):
        done |= {"status": "completed", "usage": outcome.usage}
    else:
        done |= {"status": "failed", "error": {"code": outcome.code, "message": outcome.message}}
    ours = (
        update(Run)
        .where(col(Run.id) == turn.run_id, col(Run.lease_owner) == deps.worker, col(Run.status) == "running")
        .values(**done)
        .returning(col(Run.id))
    )
    text = outcome.text if isinstance(outcome, Answer) else ""
    async with deps.db.begin() as session:
        if await session.scalar(ours) is None:
            raise Interrupted
        if isinstance(outcome, Answer) or user.calls:
            owner = turn.identity.owner
            add_message(session, owner, turn.place, turn.run_id, "assistant", text, user.calls)
    return finished_at


async def hand_over(deps: TurnDeps) -> None:
    """Give the live turns a moment to end, then end them as interrupted."""
    live = list(deps.live.values())
    if not live:
        return
    _, late = await asyncio.wait(live, timeout=_GRACE)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
