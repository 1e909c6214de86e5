"""Access to the database and its signing keys, for commands on the server's own machine."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from chat_api.settings import Settings
from kit.postgres import embedded_url, migrate, open_db
from kit.tokens import load_keys, mint

__all__ = ["database_url", "mint_token"]


def database_url(settings: Settings) -> str:
    """The URL of the database, migrated; the embedded server is started where none is named."""
    url = settings.database_url or embedded_url(settings.data_dir)
    migrate(url)
    return url


def mint_token(
    settings: Settings,
    subject: str,
    audience: str,
    lifetime: timedelta,
    claims: Mapping[str, Any] | None = None,
) -> str:
    """A token of the built-in issuer, signed with the key in the database."""
    url = database_url(settings)

    async def sign() -> str:
        async with open_db(url, pool_size=1) as db:
            keys = await load_keys(db)
            return mint(keys, subject=subject, audience=audience, lifetime=lifetime, claims=claims)

    return asyncio.run(sign())
