"""The providers of a process."""

from chat_api.providers.built_in import built_in
from chat_api.providers.catalogue import Catalogue
from chat_api.providers.choosing import Providers
from chat_api.providers.provider import Provider
from chat_api.providers.watch import Watch
from chat_api.settings import Settings
from kit.postgres import Db

__all__ = ["providers_of"]


def providers_of(
    settings: Settings, catalogue: Catalogue, db: Db | None = None, local: Provider | None = None
) -> Providers:
    """Those of the settings, and those that people have configured in `db`; `local` is the built-in model."""
    watch = Watch(catalogue.outlets, catalogue.keys)
    return Providers(built_in(settings, local), watch, db, fallback=settings.provider_fallback)
