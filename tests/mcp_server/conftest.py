"""One database for the tests of a module, each of which is somebody else: cheaper than one for each test."""

import socket
from collections.abc import AsyncGenerator, Generator
from uuid import uuid4

import pytest

from kit.postgres import Db, open_db
from tests.chat_api.replica import fresh_database


@pytest.fixture(scope="module")
def shared_database(postgres_url: str, template: str) -> Generator[str]:
    with fresh_database(postgres_url, template) as url:
        yield url


@pytest.fixture
async def shared_db(shared_database: str) -> AsyncGenerator[Db]:
    async with open_db(shared_database) as db:
        yield db


@pytest.fixture
def user() -> str:
    return f"user-{uuid4().hex}"


@pytest.fixture
def listener() -> Generator[socket.socket]:
    """A port that nobody is to knock at; `accept` raises BlockingIOError where nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener
