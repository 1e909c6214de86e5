"""Keeping a process up to date about who may come in."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

from kit.access.access import CHANNEL, Access
from kit.jobs import background
from kit.postgres import listen_forever

__all__ = ["following"]


@asynccontextmanager
async def following(access: Access, url: str) -> AsyncGenerator[None]:
    """Follow what is told of it in the database at `url`, while the context is open."""
    heard = {CHANNEL: access.heard}
    async with background(partial(listen_forever, url, heard, listening=access.listening), *access.jobs):
        yield
