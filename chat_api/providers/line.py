"""Those who may answer one turn, one after another."""

from collections.abc import Collection, Sequence
from typing import Any, Final

from chat_api.providers.choosing import LIST_LIFETIME, Providers, Wanted
from chat_api.providers.errors import NoProvider, ProviderFailed, ProviderTimeout, ProviderUnreachable
from chat_api.providers.provider import ChosenModel, Provider
from kit.errors import Problem

__all__ = ["FAILURES", "Line"]

FAILURES: Final = (ProviderUnreachable, ProviderFailed, ProviderTimeout)
"""What another provider may do better."""


class Line:
    """`failures` are those who should have answered and why they did not: provider, model, code, message."""

    def __init__(self, providers: Providers, wanted: Wanted, before: Collection[str] = ()) -> None:
        """`before`: who has failed in an earlier attempt at the turn, and so is passed over if possible."""
        self._providers: Final = providers
        self._wanted: Final = wanted
        self._before: Final = before
        self._left: list[Provider] | None = None
        self._first: Problem | None = None
        self.failures: list[dict[str, Any]] = []
        operators = [each.name for each in providers.built_in.default if providers.built_in.named]
        self._named: Final = [name for name in (wanted.provider, *operators) if name is not None]

    async def first(self) -> ChosenModel:
        """Whom to ask first. Raises NoProvider, ProviderUnreachable."""
        if not self._before and await self._is_plain():
            return await self._providers.choose()
        self._left = await self._usable()
        chosen = await self._next()
        if chosen is None:
            raise self._first or NoProvider
        return chosen

    async def after(self, failed: ChosenModel, problem: Problem) -> ChosenModel | None:
        """Whom to ask now that `failed` has; None: nobody is left."""
        if not self._providers.fallback:
            return None
        self._note(failed.provider.name, failed.name, problem)
        if self._left is None:
            self._left = await self._usable(but=failed.provider.name)
        return await self._next()

    async def _is_plain(self) -> bool:
        """Whether nothing is named, nor configured: as in most turns, whose choice is kept for a while."""
        wanted = self._wanted
        if wanted.provider is not None or wanted.model is not None:
            return False
        return not await self._providers.configured(wanted.owner)

    async def _next(self) -> ChosenModel | None:
        while self._left:
            provider = self._left.pop(0)
            try:
                return ChosenModel(provider, await self._model_of(provider))
            except ProviderUnreachable as problem:
                if self._is_missed(provider):
                    self._note(provider.name, provider.model, problem)
        return None

    async def _model_of(self, provider: Provider) -> str:
        wanted = self._wanted
        is_first = not self.failures and not self._before
        if wanted.model is not None and is_first and wanted.provider in {None, provider.name}:
            return wanted.model
        return await self._providers.model_of(provider, named=self._is_missed(provider))

    def _is_missed(self, provider: Provider) -> bool:
        """Whether somebody has named it; a built-in one that nobody has need not be there."""
        return provider.id is not None or provider.name in self._named

    async def _usable(self, but: str | None = None) -> list[Provider]:
        """Whom to ask, best first; those who failed a moment ago only where there is nobody else."""
        order = [provider for provider in await self._order(but) if provider.name != but]
        down = [provider for provider in order if self._providers.watch.is_down(provider)]
        usable = [each for each in order if each not in down and each.name not in self._before]
        if not usable or not self._providers.fallback:
            return order
        for provider in down:
            known = self._providers.watch.known(provider)
            if known and known.problem and self._is_missed(provider) and provider.name not in self._before:
                self._note(provider.name, provider.model, known.problem)
        return usable

    async def _order(self, but: str | None) -> list[Provider]:
        providers, name = self._providers, next(iter(self._named), None)
        configured = await providers.configured(self._wanted.owner)
        others = [*configured, *providers.built_in.default]
        if name is None:
            return await self._with_model_first(others)
        everything = [*configured, *providers.built_in.everything]
        named = [provider for provider in everything if provider.name == name][:1]
        if not named and but is None:
            self._note(name, self._wanted.model, NoProvider(name))
        if not providers.fallback:
            return named
        return [*named, *(provider for provider in others if provider.name != name)]

    async def _with_model_first(self, found: Sequence[Provider]) -> list[Provider]:
        """First the one that lists the model that is wanted of whoever has it."""
        model = self._wanted.model
        if model is None:
            return list(found)
        verdicts = await self._providers.watch.look_all(found, max_age=LIST_LIFETIME)
        having = {
            provider
            for provider, verdict in zip(found, verdicts, strict=True)
            if any(listed.model_id == model for listed in verdict.models or ())
        }
        return sorted(found, key=lambda provider: provider not in having)

    def _note(self, provider: str, model: str | None, problem: Problem) -> None:
        self._first = self._first or problem
        self.failures.append(
            {"provider": provider, "model": model, "code": problem.code, "message": problem.message}
        )
