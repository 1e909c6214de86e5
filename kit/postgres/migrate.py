"""Bring the database to the newest schema; safe to call from many processes at once."""

from collections.abc import Generator
from contextlib import contextmanager
from importlib.resources import as_file, files
from typing import Final

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.pool import NullPool

from kit.errors import SetupError
from kit.postgres.engine import psycopg_url

__all__ = ["migrate", "newest"]

_OLDEST_SERVER: Final = 14
_LOCK: Final = 0x7475726E6C6F67  # "turnlog"


def migrate(url: str) -> None:
    """Run the outstanding migrations under an advisory lock.

    Raises SetupError where the server cannot be reached or is older than Postgres 14, and where the database
    is newer than this program.
    """
    with _connect(url) as connection:
        if _revision(connection) != newest():
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            _upgrade(connection)


def newest() -> str:
    """The newest revision: the files are named by their numbers."""
    versions = files("migrations") / "versions"
    return max(file.name.partition("_")[0] for file in versions.iterdir() if file.name.endswith(".py"))


def _revision(connection: Connection) -> str | None:
    # Not by Alembic, which every start would wait for.
    if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return None
    return connection.scalar(text("SELECT version_num FROM alembic_version"))


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util.exc import CommandError  # noqa: PLC0415

    with as_file(files("migrations")) as scripts:
        config = Config()
        config.set_main_option("script_location", str(scripts))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise SetupError(
                "The database belongs to a newer Turnlog than this one; start that one, or set DATABASE_URL "
                "to another database."
            ) from error


@contextmanager
def _connect(url: str) -> Generator[Connection]:
    engine = create_engine(
        psycopg_url(url),
        poolclass=NullPool,
        connect_args={"connect_timeout": 5, "application_name": "turnlog"},
    )
    try:
        with _opened(engine) as connection, connection.begin():
            _check_version(connection)
            yield connection
    finally:
        engine.dispose()


def _opened(engine: Engine) -> Connection:
    try:
        return engine.connect()
    except (OperationalError, ProgrammingError) as error:
        # ProgrammingError: the URL has an option that libpq does not know.
        raise SetupError(
            f"Postgres cannot be reached at {engine.url.render_as_string(hide_password=True)}: "
            f"{str(error.orig).splitlines()[0]}"
        ) from error


def _check_version(connection: Connection) -> None:
    version = int(connection.scalar(text("SHOW server_version_num")) or 0) // 10_000
    if version < _OLDEST_SERVER:
        raise SetupError(
            f"Postgres {version} is too old: Turnlog needs {_OLDEST_SERVER} or newer. "
            "Point DATABASE_URL to a newer server, or unset it for the embedded one."
        )
