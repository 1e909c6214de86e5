"""The keys of providers that people have configured: sealed, and opened when they are sent."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import httpx2

from chat_api.providers.errors import ProviderFailed
from chat_api.providers.provider import Provider
from kit.network import host_of, port_of
from kit.sealing import NoSealingKey, Sealer, Unsealable

__all__ = ["KeyLost", "Keys", "origin"]


class KeyLost(ProviderFailed):
    """It was sealed with another PROVIDER_KEY_SECRET, or for another host."""

    def __init__(self) -> None:
        super().__init__("Its API key cannot be read any more; send it again.")


def origin(url: str) -> str:
    """Scheme, host and port: whoever is there gets the key."""
    parsed = httpx2.URL(url)
    return f"{parsed.scheme}://{host_of(parsed)}:{port_of(parsed)}"


def _bound_to(owner: UUID, name: str, url: str) -> Sequence[str]:
    return ("provider", str(owner), name, origin(url))


class Keys:
    def __init__(self, sealer: Sealer | None) -> None:
        self._sealer: Final = sealer

    def seal(self, key: str, owner: UUID, name: str, url: str) -> bytes:
        """The key, to be opened for this provider alone. Raises NoSealingKey."""
        if self._sealer is None:
            raise NoSealingKey
        return self._sealer.seal(key, _bound_to(owner, name, url))

    def of(self, provider: Provider) -> str:
        """What the provider is sent as its key. Raises KeyLost."""
        if provider.sealed is None:
            return provider.api_key
        try:
            if self._sealer is None or provider.owner is None:
                raise KeyLost
            bound = _bound_to(provider.owner, provider.name, provider.base_url)
            return self._sealer.open(provider.sealed, bound)
        except (Unsealable, NoSealingKey) as error:
            raise KeyLost from error
