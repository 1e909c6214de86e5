"""A real Postgres for every test: one migrated template, cloned."""

import atexit
import os
import tempfile
from collections.abc import AsyncGenerator, Generator
from functools import cache
from pathlib import Path
from shutil import rmtree

import httpcore2
import pytest
from filelock import FileLock
from sqlalchemy import make_url

from kit.postgres import Db, embedded_url, migrate, open_db
from kit.postgres.engine import psycopg_url
from tests.databases import execute, forget_crashes, fresh_database


@pytest.fixture(scope="session", autouse=True)
def _one_tls_context() -> None:  # pyright: ignore[reportUnusedFunction]
    """Each HTTP client reads all certificates of the machine anew, for 20 ms; none of ours needs them."""
    httpcore2.default_ssl_context = cache(httpcore2.default_ssl_context)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def shared_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One directory for all workers of this run."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def postgres_url(testrun_uid: str) -> str:
    """A server: the one that DATABASE_URL names, else an embedded one that all workers share."""
    given = os.environ.pop("DATABASE_URL", None)
    if given:
        return psycopg_url(given)
    # Not below pytest's own folder, which another run of pytest tidies up and closes to other users.
    folder = Path(tempfile.gettempdir()) / f"turnlog-tests-{testrun_uid}"
    # The last worker's server is stopped by then: what is registered last runs first.
    atexit.register(_remove_if_stopped, folder)
    url = embedded_url(folder)
    forget_crashes(url)
    return url


def _remove_if_stopped(folder: Path) -> None:
    if not (folder / "postgres" / "postmaster.pid").exists():
        rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def template(postgres_url: str, shared_dir: Path) -> str:
    """The name of a migrated database, made once for all workers."""
    name = f"turnlog_template_{shared_dir.name.replace('-', '_')}"
    with FileLock(shared_dir / "template.lock"):
        if not (shared_dir / "template").exists():
            execute(postgres_url, f'DROP DATABASE IF EXISTS "{name}"')
            execute(postgres_url, f'CREATE DATABASE "{name}"')
            migrate(_database(postgres_url, name))
            (shared_dir / "template").touch()
    return name


@pytest.fixture
def database_url(postgres_url: str, template: str) -> Generator[str]:
    """An empty, migrated database of this test's own."""
    with fresh_database(postgres_url, template) as url:
        yield url


@pytest.fixture
async def db(database_url: str) -> AsyncGenerator[Db]:
    async with open_db(database_url) as db:
        yield db


def _database(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)
