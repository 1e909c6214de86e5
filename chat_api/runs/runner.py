"""Driving the Agents SDK through one turn."""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from traceback import format_exception
from typing import Any, Final, NoReturn, cast

import structlog
from agents import (
    Agent,
    MaxTurnsExceeded,
    Model,
    ModelBehaviorError,
    ModelResponse,
    ModelSettings,
    RunConfig,
    RunContextWrapper,
    Runner,
    Tool,
    TResponseInputItem,
    UserError,
)
from typing_extensions import override

from chat_api.agents.config import AgentConfig, ModelOptions
from chat_api.conversations.history import Item
from chat_api.providers.chat_model import Completion, model_response
from chat_api.providers.errors import ProviderFailed
from chat_api.providers.line import FAILURES
from chat_api.providers.provider import ChosenModel
from chat_api.runs.answering import Answering
from chat_api.runs.approvals import ask_if_needed
from chat_api.runs.errors import LeaseLost, TooManyRounds, TurnFailed, Waiting
from chat_api.runs.journal import Journal
from chat_api.tools.bridge import ToolUser
from kit.errors import Problem

__all__ = ["Task", "drive"]

_log = structlog.get_logger(__name__)
_RUN_CONFIG: Final = RunConfig(tracing_disabled=True, tool_not_found_behavior="return_error_to_model")


@dataclass(frozen=True, slots=True)
class Task:
    """What one turn is to be driven with.

    `cut` has the items of the conversation that fit into so many tokens; at first these are `tokens`.
    """

    agent: AgentConfig
    instructions: str
    tokens: int
    cut: Callable[..., Sequence[Item]]
    answering: Answering
    chosen: ChosenModel
    options: ModelOptions


class _Journaled(Model):
    """The model as the SDK sees it: each call is a step of the journal."""

    def __init__(self, task: Task, items: Sequence[Item], user: ToolUser, journal: Journal) -> None:
        self._task: Final = task
        self._items: Final = items
        self._user: Final = user
        self._chosen = task.chosen
        self.journal: Final = journal

    @override
    async def get_response(
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],
        model_settings: ModelSettings,
        tools: list[Tool],
        *_: Any,
        **__: Any,
    ) -> ModelResponse:
        completion = await self._asked(system_instructions, input, model_settings, tools)
        ask_if_needed(self.journal, self._task.agent, self._user.box)
        return model_response(completion)

    async def _asked(
        self,
        instructions: str | None,
        items: str | list[TResponseInputItem],
        settings: ModelSettings,
        tools: list[Tool],
    ) -> Completion:
        """Ask the model, and where it has failed the next one. Raises what was wrong with the first."""
        answering, first, began = self._task.answering, None, self._chosen
        while True:
            chosen = self._chosen
            try:
                return await answering.ask(chosen, instructions, self._fitting(items), settings, tools)
            except FAILURES as problem:
                first = first or problem
                following = await answering.after(chosen, problem)
                if following is None:
                    answering.chosen = began
                    raise first from problem
            self._chosen = following
            self._user.rounds = min(self._user.rounds, following.provider.rounds or self._user.rounds)

    def _fitting(self, items: str | list[TResponseInputItem]) -> str | list[TResponseInputItem]:
        """The items as this model can take them: it may be one that can take less than the first."""
        tokens = self._chosen.provider.context_tokens
        if tokens is None or tokens >= self._task.tokens or isinstance(items, str):
            return items
        return [*cast("Any", self._task.cut(tokens=tokens)), *items[len(self._items) :]]

    @override
    def stream_response(self, *_: Any, **__: Any) -> NoReturn:
        # The text goes to the journal as it comes, whichever way the SDK asks.
        raise NotImplementedError


class _Assistant(Agent[ToolUser]):
    """Takes its tools from the run, so that the SDK does not hash all their schemas anew for each run.

    The last model call gets none, so that it ends in words and not in one more call; nor does one after the
    same call twice, which small models would repeat until the end.
    """

    async def get_all_tools(self, run_context: RunContextWrapper[Any]) -> list[Tool]:
        user = cast("ToolUser", run_context.context)
        is_last = run_context.usage.requests >= user.rounds - 1
        calls = cast("_Journaled", self.model).journal.calls_so_far
        return [] if is_last or _circles(calls) else user.box.tools


# To make an agent anew has the SDK look up the types of all its fields.
_ASSISTANT: Final = _Assistant(name="assistant")


def _circles(calls: Sequence[dict[str, Any]]) -> bool:
    """Whether the last two calls were the same one with the same result."""
    return len(calls) > 1 and calls[-1] == calls[-2]


async def drive(task: Task, user: ToolUser, journal: Journal) -> None:
    """Let the model answer, calling tools as `user`; the `journal` says what came of it.

    Raises a Problem with a name for whatever goes wrong, Waiting, and LeaseLost.
    """
    items, options = task.cut(tokens=task.tokens), task.options
    model = _Journaled(task, items, user, journal)
    agent = copy(_ASSISTANT)
    agent.instructions, agent.model = task.instructions, model
    if options.temperature is not None or options.max_tokens is not None:
        agent.model_settings = ModelSettings(temperature=options.temperature, max_tokens=options.max_tokens)
    try:
        await Runner.run(
            agent,
            cast("Any", list(items)),
            context=user,
            max_turns=user.rounds,
            run_config=_RUN_CONFIG,
        )
    except (LeaseLost, Waiting):
        raise
    except Exception as error:
        raise _named(error, user.rounds) from error


def _named(error: Exception, rounds: int) -> Problem | LeaseLost:
    """The same failure as a Problem."""
    match error:
        case Problem():
            return error
        case UserError() if isinstance(error.__cause__, LeaseLost):
            return error.__cause__
        case MaxTurnsExceeded():
            return TooManyRounds(f"The model wanted more than {rounds} rounds; ask for less at once.")
        case ModelBehaviorError():
            return ProviderFailed("The model's server gave an answer that makes no sense.")
        case _:
            # Not by `exc_info`, which structlog prints with all locals unless told otherwise.
            _log.error("turn_failed", exception="".join(format_exception(error)))
            return TurnFailed("Something went wrong here; the log has the request id.")
