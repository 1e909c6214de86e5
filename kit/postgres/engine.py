"""The engine and its sessions."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from kit.errors import SetupError

__all__ = ["Db", "open_db", "psycopg_url"]

Db: TypeAlias = async_sessionmaker[AsyncSession]
"""A session factory. A function that takes a `Db` opens the transaction; one with a session joins it."""

_POOL_SIZE: Final = 10
_CONNECT_TIMEOUT: Final = 5
_POOL_TIMEOUT: Final = 10


@asynccontextmanager
async def open_db(url: str, *, pool_size: int = _POOL_SIZE) -> AsyncGenerator[Db]:
    """Yield a session factory on the server at `url`; close its connections at the end."""
    engine = create_async_engine(
        psycopg_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=_POOL_TIMEOUT,
        # A server that was restarted is met by the ping, not by somebody's turn.
        pool_pre_ping=True,
        connect_args={"connect_timeout": _CONNECT_TIMEOUT, "application_name": "turnlog"},
    )
    try:
        yield async_sessionmaker(engine, expire_on_commit=False)
    finally:
        await engine.dispose()


def psycopg_url(url: str) -> str:
    """The same address with the driver that we use, whichever `postgres` spelling it came in.

    Raises SetupError where `url` is no Postgres URL.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise SetupError(
            "DATABASE_URL cannot be read; write it like postgresql://user:password@host:5432/name"
        ) from error
    if parsed.get_backend_name() not in {"postgresql", "postgres"}:
        raise SetupError(
            "DATABASE_URL must name a Postgres server: postgresql://user:password@host:5432/name"
        )
    return parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
