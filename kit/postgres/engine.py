"""The engine and its sessions."""

import select
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from psycopg.errors import ReadOnlySqlTransaction
from sqlalchemy import Engine, ExceptionContext, Executable, Row, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.util import greenlet_spawn

from kit.errors import SetupError

__all__ = ["KEEPALIVES", "Db", "open_db", "psycopg_url"]

KEEPALIVES: Final[Mapping[str, Any]] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""What lets libpq notice within seconds that a server is gone that did not say so."""

_POOL_SIZE: Final = 10
_CONNECT_TIMEOUT: Final = 5
_POOL_TIMEOUT: Final = 10


class Db(async_sessionmaker[AsyncSession]):
    """A session factory. A function that takes a `Db` opens the transaction; one with a session joins it."""

    def __init__(self, engine: AsyncEngine, alone: Engine) -> None:
        """`engine` is for transactions of several statements, `alone` has connections that commit each."""
        super().__init__(engine, expire_on_commit=False)
        self._alone: Final = alone

    async def run(
        self, statement: Executable, parameters: Mapping[str, Any]
    ) -> Sequence[Row[*tuple[Any, ...]]]:
        """Run one statement as a transaction of its own, in one round trip; return its rows."""
        # Into SQLAlchemy's greenlet once, not anew for the connection, the statement and the end.
        return await greenlet_spawn(self._run, statement, parameters)

    def _run(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Row[*tuple[Any, ...]]]:
        with self._alone.connect() as connection:
            result = connection.execute(statement, parameters)
            return result.all() if result.returns_rows else ()


@asynccontextmanager
async def open_db(url: str, *, pool_size: int = _POOL_SIZE) -> AsyncGenerator[Db]:
    """Yield a session factory on the server at `url`; close its connections at the end."""
    single = max(1, pool_size * 3 // 5)
    engine = _engine(url, max(1, pool_size - single))
    # A connection that always commits has nothing to set when it is taken, and nothing to undo afterwards.
    alone = _engine(url, single, isolation_level="AUTOCOMMIT", pool_reset_on_return=None)
    try:
        yield Db(engine, alone.sync_engine)
    finally:
        await alone.dispose()
        await engine.dispose()


def _engine(url: str, pool_size: int, **more: Any) -> AsyncEngine:
    engine = create_async_engine(
        psycopg_url(url),
        pool_size=pool_size,
        max_overflow=0,
        hide_parameters=True,
        pool_timeout=_POOL_TIMEOUT,
        connect_args={"connect_timeout": _CONNECT_TIMEOUT, "application_name": "turnlog", **KEEPALIVES},
        **more,
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    event.listen(engine.sync_engine, "handle_error", _leave_demoted)
    return engine


def _refuse_closed(connection: Any, _record: object, _proxy: object) -> None:
    """Make the pool replace a connection that its server has closed, so that no turn meets it.

    An idle connection has nothing to read unless the server has hung up. To look costs microseconds, where
    `pool_pre_ping` costs a round trip.
    """
    poll = select.poll()
    poll.register(connection.driver_connection.fileno(), select.POLLIN)
    if poll.poll(0):
        raise DisconnectionError


def _leave_demoted(context: ExceptionContext) -> None:
    """Connect anew where a server takes no writes any more: after a failover, another one does."""
    if isinstance(context.original_exception, ReadOnlySqlTransaction):
        context.is_disconnect = True


def psycopg_url(url: str) -> str:
    """The same address with the driver that we use, whichever `postgres` spelling it came in.

    Raises SetupError where `url` is no Postgres URL.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise SetupError(
            "DATABASE_URL cannot be read; write it like postgresql://user:password@host:5432/name"
        ) from error
    if parsed.get_backend_name() not in {"postgresql", "postgres"}:
        raise SetupError(
            "DATABASE_URL must name a Postgres server: postgresql://user:password@host:5432/name"
        )
    return parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
