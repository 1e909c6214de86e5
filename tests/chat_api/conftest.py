"""One replica and one scripted model for all tests of a worker; each test has people of its own."""

from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import pytest

from tests.chat_api.accounts import Someone, someone
from tests.chat_api.replica import fresh_database, running_api
from tests.model_server import ModelServer
from tests.servers import Person

MakePerson: TypeAlias = Callable[..., Person]
_ROOT = "root@example.com"


@pytest.fixture(scope="session")
def api_database(postgres_url: str, template: str) -> Generator[str]:
    with fresh_database(postgres_url, template) as url:
        yield url


@pytest.fixture(scope="session")
def api(
    api_database: str, shared_model: ModelServer, tmp_path_factory: pytest.TempPathFactory
) -> Generator[str]:
    folder: Path = tmp_path_factory.mktemp("data")
    with running_api(api_database, shared_model.url, data_dir=folder) as url:
        yield url


@pytest.fixture
def person(api: str, model: ModelServer) -> Generator[MakePerson]:
    """Somebody new, at the shared replica or at the one named."""
    with ExitStack() as stack:

        def make(base_url: str = api, name: str | None = None, **claims: Any) -> Person:
            made = Person(base_url, name or f"person-{uuid4().hex[:8]}", **claims)
            stack.enter_context(made.http)
            return made

        yield make


@pytest.fixture
def alice(person: MakePerson) -> Person:
    return person()


@pytest.fixture(scope="module")
def database(postgres_url: str, template: str) -> Generator[str]:
    """A database of the module's own, for what concerns everybody in it."""
    with fresh_database(postgres_url, template) as url:
        yield url


@pytest.fixture(scope="module")
def servers(database: str, shared_model: ModelServer) -> Generator[list[str]]:
    """Two replicas on it, at which anybody may register."""
    with (
        running_api(database, shared_model.url, registration="open") as first,
        running_api(database, shared_model.url, registration="open") as second,
        # Whoever registers first is an admin, in whatever order the tests are run.
        someone(first, _ROOT),
    ):
        yield [first, second]


@pytest.fixture(scope="module")
def root(servers: list[str]) -> Generator[Someone]:
    """The admin of both."""
    with someone(servers[0], _ROOT) as person:
        yield person
