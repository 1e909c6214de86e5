"""All the providers, and the choice among the built-in ones."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from chat_api.providers.addresses import Addresses
from chat_api.providers.built_in import BuiltIn
from chat_api.providers.errors import NoProvider, ProviderUnreachable
from chat_api.providers.provider import ChosenModel, Provider
from chat_api.providers.registry import Registry
from chat_api.providers.watch import Watch
from kit.errors import Problem
from kit.postgres import Db

__all__ = ["LIST_LIFETIME", "Providers", "Wanted"]

LIST_LIFETIME: Final = 60.0
"""Seconds for which a list of models serves to choose one."""

_CHOICE_LIFETIME: Final = 60.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to be answered by; None: whoever is there."""

    owner: UUID
    provider: str | None = None
    model: str | None = None


class Providers:
    """All the providers; without a database, the built-in ones alone."""

    def __init__(self, built_in: BuiltIn, watch: Watch, db: Db | None = None, *, fallback: bool) -> None:
        """`fallback`: whether another is asked where one fails."""
        self.built_in: Final = built_in
        self.watch: Final = watch
        self.fallback: Final = fallback
        self.addresses: Final = Addresses.of(each for each in built_in.everything if each.name != "local")
        self.registry: Final = None if db is None else Registry(db, self.addresses)
        self._chosen: ChosenModel | None = None
        self._chosen_until = 0.0
        self._search: asyncio.Task[ChosenModel] | None = None

    async def of(self, owner: UUID) -> list[Provider]:
        """All that a person may name: what is configured, best first, and the built-in ones."""
        return [*await self.configured(owner), *self.built_in.everything]

    async def configured(self, owner: UUID) -> Sequence[Provider]:
        return () if self.registry is None else await self.registry.of(owner)

    def expire(self) -> None:
        """Read anew what is configured: it has changed."""
        if self.registry is not None:
            self.registry.expire()

    def heard(self, _: str) -> None:
        """Act on what another process has told."""
        self.expire()

    async def watch_forever(self, every: float) -> None:
        """Look each `every` seconds whether those are there that many people's turns hang on."""
        await self.watch.forever(every, self._common)

    def _common(self) -> list[Provider]:
        return [*self.built_in.everything, *(self.registry.shared if self.registry is not None else [])]

    async def choose(self) -> ChosenModel:
        """The model of a built-in provider for a turn that names none; kept for a minute or until it fails.

        Raises NoProvider where none answers, ProviderUnreachable where the one does not that the operator
        has named.
        """
        if self._chosen is not None and time.monotonic() < self._chosen_until:
            return self._chosen
        if self._search is None:
            self._search = asyncio.create_task(self._look())
        # All who wait share one search, and its failure: nobody waits for the same silence twice.
        return await asyncio.shield(self._search)

    def failed(self, chosen: ChosenModel, problem: Problem) -> None:
        """It has failed in a turn: others go before it for a moment."""
        self.watch.failed(chosen.provider, problem)
        if self._chosen == chosen:
            self._chosen = None

    async def model_of(self, provider: Provider, *, named: bool, max_age: float = LIST_LIFETIME) -> str:
        """The model that a provider answers with; one that nobody has `named` has to be there.

        Raises ProviderUnreachable.
        """
        if provider.model is not None and named:
            return provider.model
        verdict = await self.watch.look(provider, max_age=max_age)
        if verdict.problem is not None:
            raise _unreachable(provider, verdict.problem) from verdict.problem
        if provider.model is not None:
            return provider.model
        if not verdict.models:
            raise ProviderUnreachable(f"The provider {provider.name} offers no model.")
        return verdict.models[0].model_id

    async def _look(self) -> ChosenModel:
        try:
            self._chosen = await self._find()
            self._chosen_until = time.monotonic() + _CHOICE_LIFETIME
            return self._chosen
        finally:
            self._search = None

    async def _find(self) -> ChosenModel:
        named = self.built_in.named
        default = self.built_in.default
        for provider in [each for each in default if not self.watch.is_down(each)] or default:
            try:
                return ChosenModel(provider, await self.model_of(provider, named=named, max_age=0))
            except ProviderUnreachable:
                if named:
                    raise
        raise NoProvider


def _unreachable(provider: Provider, problem: Problem) -> ProviderUnreachable:
    reason = problem.message.rstrip(".")
    return ProviderUnreachable(f"The provider {provider.name} does not answer: {reason}.")
