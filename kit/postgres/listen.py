"""Hearing what is told through Postgres' NOTIFY."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog
from psycopg import AsyncConnection, Error, sql

from kit.postgres.engine import KEEPALIVES, psycopg_url

__all__ = ["listen_forever"]

_PAUSE: Final = 0.5
_log = structlog.get_logger(__name__)


async def listen_forever(
    url: str, channels: Mapping[str, Callable[[str], None]], *, listening: Callable[[], Awaitable[None]]
) -> None:
    """Call who waits for a channel with each payload, on one connection that is made anew whenever it breaks.

    `listening` is called each time that listening has begun: what was told before may have been missed.
    """
    plain = psycopg_url(url).replace("+psycopg", "", 1)
    while True:
        try:
            connection = await AsyncConnection.connect(
                plain, autocommit=True, connect_timeout=5, application_name="turnlog", **KEEPALIVES
            )
            async with connection:
                for channel in channels:
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                await listening()
                async for notification in connection.notifies():
                    channels[notification.channel](notification.payload)
        except (Error, OSError) as error:
            _log.warning("not_listening", reason=type(error).__name__)
        await asyncio.sleep(_PAUSE)
