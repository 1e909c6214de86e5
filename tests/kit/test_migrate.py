"""Migrations: from nothing, from many processes at once, back again, and what keeps them from running."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, make_url, text
from sqlalchemy.pool import NullPool
from sqlmodel import SQLModel

import chat_api.agents.models
import chat_api.auth.models
import chat_api.conversations.models
import chat_api.runs.models
import chat_api.tools.servers.models
import kit.limits
import kit.tokens.keys
import mcp_server.models
from kit.errors import SetupError
from kit.postgres import migrate, open_db
from kit.postgres.migrate import newest

MODELS = (
    chat_api.agents.models,
    chat_api.auth.models,
    chat_api.conversations.models,
    chat_api.runs.models,
    chat_api.tools.servers.models,
    kit.limits,
    kit.tokens.keys,
    mcp_server.models,
)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def empty_url(postgres_url: str) -> Generator[str]:
    """A database without tables."""
    name = f"turnlog_empty_{uuid4().hex}"
    with connected(postgres_url) as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    with connected(postgres_url) as connection:
        connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))


@contextmanager
def connected(url: str) -> Generator[Connection]:
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection


def tables(url: str) -> set[str]:
    with connected(url) as connection:
        return set(inspect(connection).get_table_names())


def test_the_migrations_make_what_the_models_say(empty_url: str) -> None:
    migrate(empty_url)
    assert {table.name for table in SQLModel.metadata.sorted_tables} == tables(empty_url) - {
        "alembic_version"
    }
    with connected(empty_url) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_the_comparison_would_see_a_difference(empty_url: str) -> None:
    migrate(empty_url)
    with connected(empty_url) as connection:
        connection.execute(text("ALTER TABLE todos ALTER priority DROP NOT NULL, DROP COLUMN notes"))
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found: list[Any] = compare_metadata(context, SQLModel.metadata)
    assert len(found) == 2


def test_the_newest_revision_is_the_one_that_its_file_is_named_by(empty_url: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [newest()]
    migrate(empty_url)
    with connected(empty_url) as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == newest()


def test_migrating_twice_changes_nothing(empty_url: str) -> None:
    migrate(empty_url)
    with connected(empty_url) as connection:
        connection.execute(text("INSERT INTO users VALUES (gen_random_uuid(), 'i', 's', now())"))
    migrate(empty_url)
    with connected(empty_url) as connection:
        assert connection.scalar(text("SELECT count(*) FROM users WHERE issuer = 'i'")) == 1


def test_the_way_back_leaves_nothing(empty_url: str) -> None:
    migrate(empty_url)
    with connected(empty_url) as connection:
        config = Config()
        config.set_main_option("script_location", str(ROOT / "migrations"))
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert tables(empty_url) == {"alembic_version"}
    migrate(empty_url)
    assert "messages" in tables(empty_url)


def test_processes_that_start_at_once_migrate_once(empty_url: str) -> None:
    """They begin together: each says that it is ready, and waits to be told to go on."""
    program = (
        "import sys; from kit.postgres import migrate; print('ready', flush=True); "
        "sys.stdin.readline(); migrate(sys.argv[1])"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, empty_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ended = [(process.communicate(timeout=60)[1], process.returncode) for process in processes]
    assert ended == [("", 0)] * 4
    assert "messages" in tables(empty_url)


def test_a_migration_that_fails_leaves_nothing_behind(empty_url: str) -> None:
    with connected(empty_url) as connection:
        connection.execute(text("CREATE TABLE runs (in_the_way int)"))
    with pytest.raises(Exception, match="already exists"):
        migrate(empty_url)
    assert tables(empty_url) == {"runs"}


def test_a_database_of_a_newer_turnlog_is_named(empty_url: str) -> None:
    migrate(empty_url)
    with connected(empty_url) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SetupError, match="newer"):
        migrate(empty_url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "mysql://me:hunter2@127.0.0.1/x",
        "sqlite:///turnlog.db",
        "http://127.0.0.1/",
        "postgresql://me:hunter2@127.0.0.1:port/x",
        "postgresql://me:hunter2@127.0.0.1:99999/x",
        "postgresql://me:hunter2@127.0.0.1:1/x?no_such_option=1",
        "postgresql://me:hunter2@127.0.0.1:1/x?sslmode=perhaps",
        "postgresql://me:hunter2@[::1/x",
        "postgresql://me:hunter2@127.0.0.1:1/turnlog",
        "postgres://me:hunter2@nowhere.invalid/turnlog",
    ],
)
async def test_a_url_that_leads_nowhere_is_named_without_its_password(url: str) -> None:
    with pytest.raises(SetupError) as raised:
        migrate(url)
    said = str(raised.value)
    assert "DATABASE_URL" in said or "Postgres cannot be reached" in said
    assert "hunter2" not in said


def test_a_database_that_is_not_there_is_named(postgres_url: str) -> None:
    url = make_url(postgres_url).set(database="no_such_database").render_as_string(hide_password=False)
    with pytest.raises(SetupError, match="no_such_database"):
        migrate(url)


async def test_any_spelling_of_postgres_is_understood(database_url: str) -> None:
    for scheme in ("postgres", "postgresql", "postgresql+psycopg", "postgresql+asyncpg"):
        url = make_url(database_url).set(drivername=scheme).render_as_string(hide_password=False)
        migrate(url)
        async with open_db(url) as db:
            assert (await db.run(text("SELECT 1 AS one"), {}))[0].one == 1


def test_a_server_that_is_too_old_is_named(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No server of that age is at hand, so that the mark is raised above the one that is."""
    monkeypatch.setattr(import_module("kit.postgres.migrate"), "_OLDEST_SERVER", 99)
    with pytest.raises(SetupError, match=r"Postgres \d\d is too old: Turnlog needs 99 or newer"):
        migrate(postgres_url)
