"""Who answers a turn: a model, and where it fails before it has said anything, the next one."""

from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Final

from agents import ModelSettings, Tool, TResponseInputItem

from chat_api.agents.config import ModelOptions
from chat_api.providers.catalogue import Catalogue
from chat_api.providers.chat_model import Completion
from chat_api.providers.choosing import Providers
from chat_api.providers.errors import CutShort
from chat_api.providers.line import FAILURES, Line
from chat_api.providers.meter import Meter
from chat_api.providers.provider import ChosenModel, Provider
from chat_api.runs.costs import cost_of, prepare
from chat_api.runs.journal import Journal, OnText
from kit.errors import Problem

__all__ = ["Answering", "merged"]


def merged(agent: ModelOptions, turn: ModelOptions | None, most: int) -> ModelOptions:
    """What a turn asks for, and else what its agent does; who names a provider names its model, too.

    No limit that is asked for is over `most`, also of an agent that was made when it could be.
    """
    turn = turn or ModelOptions()
    model_id = turn.model_id if turn.provider else turn.model_id or agent.model_id
    max_tokens = turn.max_tokens or agent.max_tokens
    return ModelOptions(
        provider=turn.provider or agent.provider,
        model_id=model_id,
        temperature=agent.temperature if turn.temperature is None else turn.temperature,
        max_tokens=None if max_tokens is None else min(max_tokens, most),
    )


class Answering:
    """`chosen` is who is asked next. What the `journal` knows of fallbacks is of earlier attempts, too."""

    def __init__(self, catalogue: Catalogue, providers: Providers, line: Line, journal: Journal) -> None:
        self._catalogue: Final = catalogue
        self._providers: Final = providers
        self._line: Final = line
        self._journal: Final = journal
        self._told = 0
        self._asked: list[ChosenModel] = []
        self.chosen: ChosenModel | None = None

    async def begin(self) -> ChosenModel:
        """Choose whom to ask first. Raises NoProvider, ProviderUnreachable."""
        return self._choose(await self._line.first())

    async def ask(
        self,
        chosen: ChosenModel,
        instructions: str | None,
        items: Sequence[TResponseInputItem] | str,
        settings: ModelSettings,
        tools: list[Tool],
    ) -> Completion:
        """Have `chosen` asked. Raises one of FAILURES, and LeaseLost."""
        ask = partial(self._reply, chosen, instructions, items, settings, tools)
        # Nobody is asked about a call of what was not offered this time.
        offered = frozenset(tool.name for tool in tools)
        try:
            return await self._journal.ask(chosen.provider.name, chosen.name, ask, offered)
        except FAILURES as problem:
            self._providers.failed(chosen, problem)
            raise

    async def after(self, failed: ChosenModel, problem: Problem) -> ChosenModel | None:
        """Who is asked instead of one that `ask` has failed with.

        None: nobody, or something was said, or no room was left for it by who asked.
        """
        if self._journal.is_saying or isinstance(problem, CutShort):
            return None
        following = await self._line.after(failed, problem)
        return None if following is None else self._choose(following)

    @property
    def fallbacks(self) -> Sequence[dict[str, Any]]:
        """Who should have answered, and was followed by another."""
        found = [*self._journal.fallbacks, *self._line.failures[self._told :]]
        return found if self._journal.fallbacks or len(found) > 1 else []

    def cost(self) -> Decimal | None:
        """US dollars for all calls; None where the price of one is unknown."""
        total = Decimal(0)
        for name, model, calls in self._journal.spending.by_model():
            # What an earlier attempt has asked is not known by more than its name.
            provider = next((each.provider for each in self._asked if each.provider.name == name), None)
            cost = provider and cost_of(_seller(provider), provider.base_url, model, calls)
            if cost is None:
                return None
            total += cost
        return total

    async def _reply(
        self,
        chosen: ChosenModel,
        instructions: str | None,
        items: Sequence[TResponseInputItem] | str,
        settings: ModelSettings,
        tools: list[Tool],
        on_text: OnText,
        meter: Meter,
    ) -> Completion:
        model = self._catalogue.model(chosen)
        completion = await model.reply(instructions, items, settings, tools, on_text, meter)
        self._providers.watch.answered(chosen.provider)
        return completion

    def _choose(self, chosen: ChosenModel) -> ChosenModel:
        for failure in self._line.failures[self._told :]:
            self._journal.fall_back(failure, chosen.provider.name, chosen.name)
        self._told = len(self._line.failures)
        prepare(_seller(chosen.provider))
        self._asked.append(chosen)
        self.chosen = chosen
        return chosen


def _seller(provider: Provider) -> str:
    """Whose prices apply: a configured Ollama costs as little as the built-in one."""
    return provider.kind if provider.id is not None and provider.kind != "openai" else provider.name
