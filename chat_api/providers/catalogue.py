"""Models of the Agents SDK for chosen models."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import httpx2
from agents import Model, ModelSettings, OpenAIChatCompletionsModel
from openai import AsyncOpenAI

from chat_api.providers.service import ChosenModel

__all__ = ["Catalogue", "open_catalogue"]

_CONNECT_TIMEOUT: Final = 5.0
_RETRIES: Final = 1


class Catalogue:
    """SDK models over one pool of connections."""

    def __init__(self, http: httpx2.AsyncClient, timeout: httpx2.Timeout) -> None:
        self._http = http
        self._timeout = timeout
        self._models: dict[ChosenModel, Model] = {}

    def model(self, chosen: ChosenModel) -> Model:
        if chosen not in self._models:
            client = AsyncOpenAI(
                base_url=chosen.provider.base_url,
                api_key=chosen.provider.api_key,
                timeout=self._timeout,
                max_retries=_RETRIES,
                http_client=self._http,
            )
            self._models[chosen] = OpenAIChatCompletionsModel(chosen.name, client)
        return self._models[chosen]

    def settings(self, chosen: ChosenModel) -> ModelSettings:
        return ModelSettings()


@asynccontextmanager
async def open_catalogue(timeout_seconds: float) -> AsyncGenerator[Catalogue]:
    """Yield a catalogue whose models give up on a call after `timeout_seconds`."""
    timeout = httpx2.Timeout(timeout_seconds, connect=_CONNECT_TIMEOUT)
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=100)
    async with httpx2.AsyncClient(timeout=timeout, limits=limits, trust_env=False) as http:
        yield Catalogue(http, timeout)
