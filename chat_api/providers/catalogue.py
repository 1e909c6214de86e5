"""The models that were chosen, ready to be asked."""

from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from chat_api.providers.chat_model import ChatModel
from chat_api.providers.completions import CompletionClient
from chat_api.providers.keys import Keys
from chat_api.providers.outlets import Network, Outlets, open_outlets
from chat_api.providers.provider import ChosenModel
from kit.sealing import Sealer

__all__ = ["Catalogue", "open_catalogue"]

_MOST: Final = 2_000


class Catalogue:
    """Models over the connections of `outlets`, asked with `keys`."""

    def __init__(self, outlets: Outlets, keys: Keys, timeout_seconds: float) -> None:
        self.outlets: Final = outlets
        self.keys: Final = keys
        self._silence: Final = timeout_seconds
        self._models: Final[OrderedDict[ChosenModel, ChatModel]] = OrderedDict()

    def model(self, chosen: ChosenModel) -> ChatModel:
        """Raises KeyLost."""
        model = self._models.get(chosen)
        if model is None:
            model = self._models[chosen] = self._made(chosen)
            if len(self._models) > _MOST:
                self._models.popitem(last=False)
        return model

    def _made(self, chosen: ChosenModel) -> ChatModel:
        provider = chosen.provider
        client = CompletionClient(
            self.outlets.of(provider),
            provider.base_url,
            self.keys.of(provider),
            provider.silence or self._silence,
            provider.first_token,
            provider.retries,
        )
        return ChatModel(chosen.name, client)


@asynccontextmanager
async def open_catalogue(
    timeout_seconds: float, sealer: Sealer | None = None, network: Network | None = None
) -> AsyncGenerator[Catalogue]:
    """Yield a catalogue whose models are given up on when they are silent for `timeout_seconds`.

    `sealer` opens the keys of configured providers, `network` is how these are reached.
    """
    async with open_outlets(network) as outlets:
        yield Catalogue(outlets, Keys(sealer), timeout_seconds)
