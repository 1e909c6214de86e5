"""Hundreds of calls of many people at once: nobody meets what is somebody else's, whatever they share."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from mcp.server.auth.provider import AccessToken
from starlette.types import ASGIApp, Receive, Scope, Send

from chat_api.main import create_app
from chat_api.tools.connections import Asking, Connection, connect_http, connect_in_process
from kit.postgres import Db
from kit.tokens import Verifier, load_keys
from mcp_server import context
from mcp_server.auth import JwtVerifier
from mcp_server.context import Deps, SearchConfig
from mcp_server.server import create_server
from tests.chat_api.replica import settings_for
from tests.mcp_server.crowd import Asked, ask, crowd, dealt, over_connection, unlike
from tests.model_server import serve
from tests.servers import SECRET

# With PEOPLE=50 a thousand calls.
PEOPLE: Final = int(os.environ.get("PEOPLE", "15"))
FEW: Final = 10
EACH: Final = 20
Wrap = Callable[[ASGIApp], ASGIApp]


def as_it_is(app: ASGIApp) -> ASGIApp:
    return app


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def origin(request: pytest.FixtureRequest, shared_database: str, folder: Path) -> Generator[str]:
    wrap: Wrap = getattr(request, "param", as_it_is)
    app = create_app(settings_for(shared_database, "http://127.0.0.1:1/v1", data_dir=folder))
    with serve(wrap(app)) as url:
        yield url


@asynccontextmanager
async def in_process(db: Db, folder: Path) -> AsyncGenerator[Connection]:
    verifier = JwtVerifier(Verifier(await load_keys(db), "turnlog-mcp", "turnlog", SECRET))
    deps = Deps(db, folder / "files", SearchConfig("off"), ZoneInfo("Europe/Berlin"))
    async with connect_in_process(create_server(deps), verifier.verify_token) as connection:
        yield connection


async def by_one_client(connection: Connection, asked: Sequence[Asked]) -> list[str]:
    client = await connection.line.client()

    async def in_the_name_of(one: Asked) -> str:
        async with connection.acting_as(Asking(one.of.token)):
            return await ask(client, one)

    return await asyncio.gather(*map(in_the_name_of, asked))


async def crossings_over(origin: str, connections: int, size: int = PEOPLE) -> int:
    people = crowd(size)
    for one in people:
        await over_connection(origin, list(one.seeds()))
    hands = dealt(people, connections)
    assert sum(map(len, hands)) == size * EACH
    answers = await asyncio.gather(*(over_connection(origin, hand) for hand in hands))
    return sum(unlike(hand, told) for hand, told in zip(hands, answers, strict=True))


async def crossings_by(connection: Connection, size: int = PEOPLE) -> int:
    people = crowd(size)
    for one in people:
        await by_one_client(connection, list(one.seeds()))
    (asked,) = dealt(people, 1)
    return unlike(asked, await by_one_client(connection, asked))


async def test_nobody_meets_another_over_one_connection(origin: str) -> None:
    assert await crossings_over(origin, 1) == 0


async def test_nobody_meets_another_over_many_connections(origin: str) -> None:
    assert await crossings_over(origin, 100) == 0


async def test_nobody_meets_another_by_the_one_client_of_the_chat_api(shared_db: Db, folder: Path) -> None:
    async with in_process(shared_db, folder) as connection:
        assert await crossings_by(connection) == 0


async def test_nobody_meets_another_by_that_client_over_http(origin: str) -> None:
    async with connect_http(f"{origin}/mcp") as connection:
        assert await crossings_by(connection, FEW) == 0


def once_a_connection(app: ASGIApp) -> ASGIApp:
    """The fault of asking for a token once only: a connection is its first caller's from then on."""
    first: dict[object, tuple[bytes, bytes]] = {}

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = dict[bytes, bytes](scope["headers"])
            own = (b"authorization", headers.pop(b"authorization", b""))
            scope["headers"] = [*headers.items(), first.setdefault(scope["client"], own)]
        await app(scope, receive, send)

    return wrapped


@pytest.fixture
def one_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault of keeping who calls where everybody finds it: whoever came last is everybody."""
    last: list[AccessToken] = []
    verify = JwtVerifier.verify_token

    async def and_keep(self: JwtVerifier, token: str) -> AccessToken | None:
        access = await verify(self, token)
        last[:] = [access] if access else []
        return access

    monkeypatch.setattr(JwtVerifier, "verify_token", and_keep)
    monkeypatch.setattr(context, "get_access_token", lambda: last[0])


@pytest.mark.parametrize("origin", [once_a_connection], indirect=True)
async def test_a_connection_that_is_one_persons_would_be_seen(origin: str) -> None:
    assert await crossings_over(origin, 1, FEW) > FEW * EACH / 2


@pytest.mark.usefixtures("one_context")
async def test_a_shared_context_would_be_seen_over_many_connections(origin: str) -> None:
    assert await crossings_over(origin, FEW, FEW) > 0


@pytest.mark.usefixtures("one_context")
async def test_a_shared_context_would_be_seen_by_the_one_client(shared_db: Db, folder: Path) -> None:
    async with in_process(shared_db, folder) as connection:
        assert await crossings_by(connection, FEW) > 0
