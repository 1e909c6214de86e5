"""Hearing what is told through Postgres' NOTIFY, and being known as there as long as one listens."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog
from psycopg import AsyncConnection, Error, sql

from kit.postgres.engine import KEEPALIVES, psycopg_url

__all__ = ["GONE", "listen_forever"]

GONE: Final = "pg_try_advisory_xact_lock(hashtextextended({name}, 0))"
"""SQL: whether nobody listens as `{name}`, an expression of type text."""

_PRESENT: Final = "SELECT pg_advisory_lock_shared(hashtextextended(%s, 0))"
_PAUSE: Final = 0.5
_log = structlog.get_logger(__name__)


async def listen_forever(
    url: str,
    channels: Mapping[str, Callable[[str], None]],
    *,
    listening: Callable[[], Awaitable[None]],
    name: str | None = None,
) -> None:
    """Call who waits for a channel with each payload, on one connection that is made anew whenever it breaks.

    `listening` is called each time that listening has begun: what was told before may have been missed. Who
    listens as `name` is not `GONE` until the connection ends, which a process cannot outlive: Postgres sees
    the end of one that is killed at once.
    """
    plain = psycopg_url(url).replace("+psycopg", "", 1)
    while True:
        try:
            connection = await AsyncConnection.connect(
                plain, autocommit=True, connect_timeout=5, application_name="turnlog", **KEEPALIVES
            )
            async with connection:
                if name is not None:
                    await connection.execute(_PRESENT, [name])
                for channel in channels:
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                await listening()
                async for notification in connection.notifies():
                    channels[notification.channel](notification.payload)
        except (Error, OSError) as error:
            _log.warning("not_listening", reason=type(error).__name__)
        await asyncio.sleep(_PAUSE)
