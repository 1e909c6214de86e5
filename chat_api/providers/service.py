"""Finding the model that answers: the one that is named, or the first that is there."""

import asyncio
import time
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

import httpx2

from chat_api.providers.errors import NoProvider, ProviderUnreachable
from chat_api.settings import Settings

__all__ = ["ChosenModel", "Provider", "Providers", "configured"]

Name: TypeAlias = Literal["ollama", "lmstudio", "openai", "local"]

_OPENAI: Final = "https://api.openai.com/v1"
_OPENAI_MODEL: Final = "gpt-5-mini"
_PROBE_TIMEOUT: Final = httpx2.Timeout(3.0, connect=1.0)
_CHOICE_LIFETIME: Final = 60.0
_NOT_FOR_CHAT: Final = ("embed", "whisper", "tts", "rerank", "dall-e", "moderation")


@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenAI-compatible address, which ends in the API's version.

    `model` is what it is to use, where that is given; `context_tokens` and `rounds` bound what its models
    can take: the history in estimated tokens, and the calls of one turn.
    """

    name: Name
    base_url: str
    api_key: str = "none"
    model: str | None = None
    context_tokens: int | None = None
    rounds: int | None = None


@dataclass(frozen=True, slots=True)
class ChosenModel:
    provider: Provider
    name: str


def configured(settings: Settings, local: Provider | None = None) -> list[Provider]:
    """The providers that may be there, best first; `local` is the built-in model, where it runs."""
    providers = [
        Provider("ollama", f"{str(settings.ollama_endpoint).rstrip('/')}/v1"),
        Provider("lmstudio", f"{str(settings.lmstudio_endpoint).rstrip('/')}/v1"),
    ]
    if settings.openai_base_url is not None:
        base_url = str(settings.openai_base_url).rstrip("/")
        providers.append(Provider("openai", base_url, settings.openai_api_key or "none"))
    elif settings.openai_api_key:
        providers.append(Provider("openai", _OPENAI, settings.openai_api_key, _OPENAI_MODEL))
    if local is not None:
        providers.append(local)
    if settings.default_provider is not None:
        providers = [provider for provider in providers if provider.name == settings.default_provider]
    if settings.default_model:
        providers = [
            replace(provider, model=provider.model if provider is local else settings.default_model)
            for provider in providers
        ]
    return providers


class Providers:
    """Chooses a model, and keeps to it for a minute or until it fails."""

    def __init__(self, providers: list[Provider], *, named: bool) -> None:
        """`named`: the operator named the provider, so that it is taken without looking for others."""
        self._providers = providers
        self._named = named
        self._chosen: ChosenModel | None = None
        self._chosen_until = 0.0
        self._search: asyncio.Task[ChosenModel] | None = None

    async def choose(self) -> ChosenModel:
        """The model for the next turn.

        Raises NoProvider where none answers, ProviderUnreachable where the named one does not.
        """
        if self._chosen is not None and time.monotonic() < self._chosen_until:
            return self._chosen
        if self._search is None:
            self._search = asyncio.create_task(self._look())
        # All who wait share one search, and its failure: nobody waits for the same silence twice.
        return await asyncio.shield(self._search)

    async def _look(self) -> ChosenModel:
        try:
            self._chosen = await self._find()
            self._chosen_until = time.monotonic() + _CHOICE_LIFETIME
            return self._chosen
        finally:
            self._search = None

    def forget(self) -> None:
        """Look again at the next turn: the chosen one has failed."""
        self._chosen = None

    async def _find(self) -> ChosenModel:
        for provider in self._providers:
            if self._named and provider.model is not None:
                return ChosenModel(provider, provider.model)
            models = await list_models(provider)
            if models is not None and (provider.model or models):
                return ChosenModel(provider, provider.model or models[0])
        if self._named and self._providers:
            name = self._providers[0].name
            raise ProviderUnreachable(f"The provider {name} does not answer, or offers no model.")
        raise NoProvider


async def list_models(provider: Provider) -> list[str] | None:
    """The names of the provider's chat models, or None where it does not answer."""
    headers = {"Authorization": f"Bearer {provider.api_key}"}
    try:
        async with httpx2.AsyncClient(timeout=_PROBE_TIMEOUT, trust_env=False) as client:
            response = await client.get(f"{provider.base_url}/models", headers=headers)
            response.raise_for_status()
            found = response.json()["data"]
            names = [str(model["id"]) for model in found]
    except (
        httpx2.HTTPError,
        httpx2.InvalidURL,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
    ):
        return None
    return [name for name in names if not any(word in name.lower() for word in _NOT_FOR_CHAT)]
