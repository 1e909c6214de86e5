"""A turn from its claim to its end."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, TypeAlias

from chat_api.agents.config import DEFAULT, AgentConfig, ModelOptions
from chat_api.agents.service import agent_of
from chat_api.auth.service import Delegation
from chat_api.conversations.history import to_items
from chat_api.conversations.places import recent_messages
from chat_api.providers.catalogue import Catalogue
from chat_api.providers.choosing import Providers, Wanted
from chat_api.providers.line import Line
from chat_api.providers.provider import ChosenModel
from chat_api.runs.admission import Admission
from chat_api.runs.answering import Answering, merged
from chat_api.runs.approvals import allowed, ask_if_unsure, unasked
from chat_api.runs.conclude import End, Status
from chat_api.runs.errors import GaveUp, Waiting
from chat_api.runs.events import ATTEMPT, Event
from chat_api.runs.journal import Journal
from chat_api.runs.lease import Claim
from chat_api.runs.log import RunLog
from chat_api.runs.runner import Task, drive
from chat_api.runs.titles import Titles
from chat_api.tools.bridge import ToolBridge, ToolUser
from kit.errors import Problem
from kit.postgres import Db
from kit.tokens import Identity

__all__ = ["Live", "Stop", "TurnDeps", "answer", "failed", "stopped"]

# More than fits, for the results of tools may be cut short.
_BYTES_READ_A_TOKEN: Final = 32

Stop: TypeAlias = Literal["cancel", "lost", "hand over"]


@dataclass(frozen=True)
class TurnDeps:
    """What turns are made with.

    `attempts` bounds how often one is begun anew after a crash, `answer_tokens` what one may ask for.
    """

    db: Db
    providers: Providers
    catalogue: Catalogue
    tools: ToolBridge
    delegation: Delegation
    timezone: str
    rounds: int
    context_tokens: int
    attempts: int
    answer_tokens: int
    admission: Admission | None = None
    titles: Titles | None = None


@dataclass(slots=True)
class Live:
    """A run that this process drives. `before` are the events of earlier attempts."""

    turn: Claim
    log: RunLog
    journal: Journal
    before: Sequence[Event] = ()
    agent: AgentConfig = DEFAULT
    answering: Answering | None = None


async def answer(deps: TurnDeps, live: Live, *, cancelled: bool = False) -> tuple[End, dict[str, Any]]:
    """Answer the user; return how that ended, and what the last event says beside.

    `cancelled`: only end it, with what earlier attempts have said and done. Raises LeaseLost.
    """
    turn = live.turn
    try:
        cancelled = cancelled or turn.cancel_requested
        begun = turn.attempt - _uncounted(live)
        if turn.attempt > 1:
            ends = cancelled or begun > deps.attempts
            live.journal.resume(live.before, ends=ends, handed_over=turn.handed_over)
        if cancelled:
            return stopped(live)
        if begun > deps.attempts:
            raise GaveUp(begun - 1)
        live.agent = await agent_of(deps.db, turn.agent)
        options = merged(live.agent, turn.options, deps.answer_tokens)
        live.answering = _answering(deps, live, options)
        chosen = await live.answering.begin()
        user = _user(deps, live, chosen)
        user.box = await deps.tools.equip(user.deputy)
        if live.agent != DEFAULT:
            user.box = allowed(live.agent, user.box)
            user.functions = unasked(live.agent, user.box)
        ask_if_unsure(live.journal, user.box)
        await drive(await _task(deps, live, live.answering, chosen, options), user, live.journal)
    except Waiting as waiting:
        return _end(live, "requires_action", requests=waiting.requests), {}
    except Problem as problem:
        return failed(live, problem)
    return _end(live, "completed"), {}


def _uncounted(live: Live) -> int:
    """The attempt after which attempts count as signs of crashes.

    In it the user last decided about a call, or its process left the run to others in good order.
    """
    turn = live.turn
    decided = (event.seq // ATTEMPT for event in live.before if event.type == "step.updated")
    handed = (event.seq // ATTEMPT - 1 for event in live.before if _was_handed_over(event))
    return max(turn.attempt - 1 if turn.handed_over else 0, *decided, *handed, 0)


def _was_handed_over(event: Event) -> bool:
    return event.type == "attempt" and event.data.get("handed_over", False)


def failed(live: Live, problem: Problem) -> tuple[End, dict[str, Any]]:
    """How a turn ends that `problem` came to."""
    live.journal.close()
    error = _kept(problem)
    return _end(live, "failed", error), {"error": error}


def stopped(live: Live) -> tuple[End, dict[str, Any]]:
    """How a turn ends that is cancelled at this moment."""
    live.journal.close()
    return _end(live, "cancelled"), {}


def _answering(deps: TurnDeps, live: Live, options: ModelOptions) -> Answering:
    wanted = Wanted(live.turn.user_id, options.provider, options.model_id)
    failed_before = {str(fallback["provider"]) for fallback in live.journal.fallbacks}
    line = Line(deps.providers, wanted, failed_before)
    return Answering(deps.catalogue, deps.providers, line, live.journal)


def _user(deps: TurnDeps, live: Live, chosen: ChosenModel) -> ToolUser:
    turn = live.turn
    identity = Identity(turn.issuer, turn.subject, {"zoneinfo": turn.timezone})
    return ToolUser(
        deputy=deps.delegation.deputy(identity),
        # What others have had called is not lost on one that may call less.
        rounds=max(chosen.provider.rounds or deps.rounds, live.journal.rounds + 1),
        record=live.journal.call,
    )


async def _task(
    deps: TurnDeps, live: Live, answering: Answering, chosen: ChosenModel, options: ModelOptions
) -> Task:
    turn = live.turn
    tokens = chosen.provider.context_tokens or deps.context_tokens
    history = (
        []
        if turn.place.is_first
        else await recent_messages(deps.db, turn.user_id, turn.place, most_bytes=tokens * _BYTES_READ_A_TOKEN)
    )
    return Task(
        agent=live.agent,
        instructions=live.agent.instructions_for(turn.timezone or deps.timezone),
        tokens=tokens,
        cut=partial(to_items, history, turn.content),
        answering=answering,
        chosen=chosen,
        options=options,
    )


def _end(
    live: Live,
    status: Status,
    error: dict[str, Any] | None = None,
    requests: tuple[dict[str, Any], ...] = (),
) -> End:
    journal, answering = live.journal, live.answering
    chosen = answering.chosen if answering else None
    # Where nobody was chosen any more, those who have answered until then.
    provider, model = (chosen.provider.name, chosen.name) if chosen else journal.spending.last
    return End(
        status=status,
        text=journal.said,
        tool_calls=tuple(journal.calls),
        usage=journal.spending.usage(),
        error=error,
        provider=provider,
        model=model,
        cost_usd=answering.cost() if answering and chosen else None,
        requests=requests,
        fallbacks=tuple(answering.fallbacks if answering else journal.fallbacks),
    )


def _kept(problem: Problem) -> dict[str, Any]:
    return {
        "code": problem.code,
        "message": problem.message,
        "status": problem.status,
        "details": problem.details,
        "headers": problem.headers,
    }
