"""Asking a model as a turn does, piece by piece."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

from agents import ModelSettings
from starlette.responses import Response

from chat_api.providers.catalogue import Catalogue, open_catalogue
from chat_api.providers.completions import Completion
from chat_api.providers.provider import ChosenModel, Provider
from tests.model_server import Chat, ModelServer, Reply

__all__ = ["Asked", "Asking", "asking", "told", "until"]


class Asked:
    """What came of asking the scripted model."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.completion: Completion | None = None

    @property
    def text(self) -> str:
        assert self.completion is not None
        assert "".join(self.pieces) == self.completion.text
        return self.completion.text

    @property
    def tokens(self) -> tuple[int, int, bool]:
        assert self.completion is not None
        return self.completion.input_tokens, self.completion.output_tokens, self.completion.estimated

    @property
    def calls(self) -> list[tuple[str, Any]]:
        assert self.completion is not None
        return [(call.name, json.loads(call.arguments)) for call in self.completion.calls]


class Asking:
    def __init__(self, catalogue: Catalogue, url: str) -> None:
        self._model = catalogue.model(ChosenModel(Provider("openai", url), "scripted"))

    async def ask(self, asked: Asked, on_text: Callable[[str], None] | None = None) -> Asked:
        asked.completion = await self._model.reply(
            "Be brief.", "Hello", ModelSettings(), [], on_text or asked.pieces.append
        )
        return asked


@asynccontextmanager
async def asking(url: str, silence: float = 30) -> AsyncGenerator[Asking]:
    async with open_catalogue(silence) as catalogue:
        yield Asking(catalogue, url)


async def told(model: ModelServer, reply: Response | Callable[[Chat], Reply], silence: float = 30) -> Asked:
    """What comes of asking a model that gives this reply."""
    model.answers(reply)
    async with asking(model.url, silence) as ask:
        return await ask.ask(Asked())


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what a callback of this very loop brings about."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)
