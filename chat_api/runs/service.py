"""A turn, from the user's message to the kept answer."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from chat_api.agents.service import AgentConfig
from chat_api.auth.service import Delegation
from chat_api.conversations.history import to_items
from chat_api.conversations.service import recent_messages
from chat_api.providers.catalogue import Catalogue
from chat_api.providers.errors import ProviderFailed, ProviderUnreachable
from chat_api.providers.service import ChosenModel, Providers
from chat_api.runs.errors import Interrupted, TurnFailed
from chat_api.runs.ledger import Acknowledged, Outcome, acknowledge, conclude
from chat_api.runs.runner import Answer, Task, drive
from chat_api.runs.schemas import ChatRequest
from chat_api.tools.bridge import ToolBridge, ToolUser
from kit.errors import Problem
from kit.ids import new_id
from kit.postgres import Db
from kit.tokens import Identity

__all__ = ["TurnDeps", "TurnResult", "hand_over", "take_turn"]

_GRACE: Final = 0.8


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


async def take_turn(deps: TurnDeps, identity: Identity, request: ChatRequest) -> TurnResult:
    """Take the user's message, answer it, keep both.

    Once the message is kept, the turn goes on to its end even if the caller leaves. Raises a Problem where
    the turn cannot start or is not answered; in the second case the message stays.
    """
    turn = await acknowledge(deps.db, deps.worker, identity, request.conversation_id, request.message)
    task = asyncio.create_task(_answer(deps, turn, request.message))
    deps.live[turn.run_id] = task
    task.add_done_callback(lambda _: deps.live.pop(turn.run_id))
    return await asyncio.shield(task)


async def _answer(deps: TurnDeps, turn: Acknowledged, message: str) -> TurnResult:
    """Drive the turn and keep how it ended, whichever way."""
    user = ToolUser(token=lambda: deps.delegation.token(turn.identity), rounds=deps.rounds)
    chosen: ChosenModel | None = None
    try:
        chosen = await deps.providers.choose()
        user.rounds = chosen.provider.rounds or deps.rounds
        await deps.tools.equip(user)
        answer = await drive(await _task(deps, turn, message, chosen), user)
    except Problem as problem:
        if isinstance(problem, ProviderUnreachable | ProviderFailed):
            deps.providers.forget()
        await _conclude(deps, turn, chosen, user, problem)
        raise
    except asyncio.CancelledError:
        stopped = Interrupted()
        await _conclude(deps, turn, chosen, user, stopped)
        raise stopped from None
    except Exception:
        # Whatever it was, the conversation must not stay taken until the lease runs out.
        failed = TurnFailed("Something went wrong here; the log has the request id.")
        with suppress(SQLAlchemyError):
            await _conclude(deps, turn, chosen, user, failed)
        raise
    finished_at = await _conclude(deps, turn, chosen, user, answer)
    return TurnResult(
        turn.run_id, turn.place.conversation_id, answer.text, user.calls, answer.usage, finished_at
    )


async def _task(deps: TurnDeps, turn: Acknowledged, message: str, chosen: ChosenModel) -> Task:
    history = [] if turn.place.is_new else await recent_messages(deps.db, turn.identity.owner, turn.place)
    return Task(
        instructions=deps.agent.instructions_for(turn.identity.zone or deps.timezone),
        items=to_items(history, message, tokens=chosen.provider.context_tokens or deps.context_tokens),
        model=deps.catalogue.model(chosen),
    )


async def _conclude(
    deps: TurnDeps, turn: Acknowledged, chosen: ChosenModel | None, user: ToolUser, end: Answer | Problem
) -> datetime:
    answered = isinstance(end, Answer)
    outcome = Outcome(
        text=end.text if answered else "",
        tool_calls=tuple(user.calls),
        usage=end.usage if answered else None,
        error=None if answered else {"code": end.code, "message": end.message},
        provider=chosen.provider.name if chosen else None,
        model=chosen.name if chosen else None,
    )
    return await asyncio.shield(conclude(deps.db, deps.worker, turn, outcome))


async def hand_over(deps: TurnDeps) -> None:
    """Give the live turns a moment to end, then end them as interrupted."""
    live = list(deps.live.values())
    if not live:
        return
    _, late = await asyncio.wait(live, timeout=_GRACE)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
