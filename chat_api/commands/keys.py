"""`turnlog keys rotate`."""

import asyncio
from datetime import timedelta

from chat_api.commands.console import words
from chat_api.commands.credentials import database_url
from chat_api.settings import Settings
from kit.access import tell
from kit.postgres import open_db
from kit.settings import load
from kit.tokens.keys import rotate_keys

__all__ = ["rotate"]


def rotate(*, minutes: int, now: bool) -> None:
    """Add a signing key; it signs after `minutes`, or `now`, when those before it are accepted no more."""
    url = database_url(load(Settings))
    overlap = timedelta(0) if now else timedelta(minutes=minutes)

    async def add() -> str:
        async with open_db(url, pool_size=1) as db, db.begin() as session:
            key = await rotate_keys(session, overlap=overlap)
            await tell(session)
            return str(key.id)

    kid = asyncio.run(add())
    if now:
        words.print(f"Key {kid} signs from now on. What others have signed is accepted no more.")
    else:
        words.print(f"Key {kid} signs in {minutes} min. What others have signed is good until it expires.")
