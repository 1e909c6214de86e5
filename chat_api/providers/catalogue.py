"""The models that were chosen, ready to be asked."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import httpx2

from chat_api.providers.chat_model import ChatModel
from chat_api.providers.completions import CompletionClient
from chat_api.providers.service import ChosenModel

__all__ = ["Catalogue", "open_catalogue"]

_CONNECT_TIMEOUT: Final = 5.0


class Catalogue:
    """Models over one pool of connections."""

    def __init__(self, http: httpx2.AsyncClient, timeout_seconds: float) -> None:
        self._http = http
        self._silence = timeout_seconds
        self._models: dict[ChosenModel, ChatModel] = {}

    def model(self, chosen: ChosenModel) -> ChatModel:
        if chosen not in self._models:
            client = CompletionClient(
                self._http, chosen.provider.base_url, chosen.provider.api_key, self._silence
            )
            self._models[chosen] = ChatModel(chosen.name, client)
        return self._models[chosen]


@asynccontextmanager
async def open_catalogue(timeout_seconds: float) -> AsyncGenerator[Catalogue]:
    """Yield a catalogue whose models are given up on when they are silent for `timeout_seconds`."""
    timeout = httpx2.Timeout(None, connect=_CONNECT_TIMEOUT)
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=100)
    async with httpx2.AsyncClient(timeout=timeout, limits=limits, trust_env=False) as http:
        yield Catalogue(http, timeout_seconds)
