"""The MCP endpoint over HTTP, as the chat API serves it: tokens, metadata, hosts, and both protocol eras."""

import asyncio
import json
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from chat_api.main import create_app
from kit.postgres import open_db
from kit.tokens import KeyRing, load_keys
from tests.chat_api.forgeries import forgeries, genuine
from tests.chat_api.processes import free_port, tool_server_process
from tests.chat_api.replica import fresh_database, settings_for
from tests.model_server import serve
from tests.servers import mcp_token, token_for

MCP = "turnlog-mcp"
LIST: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.fixture(scope="module")
def database(postgres_url: str, template: str) -> Generator[str]:
    with fresh_database(postgres_url, template) as url:
        yield url


@pytest.fixture(scope="module")
def origin(database: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The API at a port that it knows of, as the metadata's addresses must be its own."""
    folder: Path = tmp_path_factory.mktemp("data")
    port = free_port()
    settings = settings_for(database, "http://127.0.0.1:1/v1", data_dir=folder, api_port=port)
    with serve(create_app(settings), port) as url:
        yield url


@pytest.fixture(scope="module")
def keys(origin: str, database: str) -> KeyRing:
    async def load() -> KeyRing:
        async with open_db(database) as db:
            return await load_keys(db)

    return asyncio.run(load())


@pytest.fixture
def http(origin: str) -> Generator[httpx2.Client]:
    with httpx2.Client(base_url=origin, trust_env=False, timeout=30, headers=ACCEPT) as client:
        yield client


def signed_in(name: str = "alice") -> dict[str, str]:
    return {"Authorization": f"Bearer {mcp_token(name)}"}


def ask(http: httpx2.Client, token: str | None, **headers: str) -> httpx2.Response:
    bearer = {} if token is None else {"Authorization": f"Bearer {token}"}
    return http.post("/mcp", json=LIST, headers=bearer | headers)


@asynccontextmanager
async def connected(url: str, name: str, **options: Any) -> AsyncGenerator[Client]:
    async with (
        httpx2.AsyncClient(headers=signed_in(name), trust_env=False, timeout=30) as http,
        Client(streamable_http_client(url, http_client=http), **options) as client,
    ):
        yield client


@pytest.mark.parametrize("mode", ["auto", "legacy", "2026-07-28"])
async def test_the_official_client_works_in_both_eras(origin: str, mode: Any) -> None:
    name = f"person-{mode}"
    async with connected(f"{origin}/mcp", name, mode=mode) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert {"add_todo", "list_todos", "calculator"} <= names
        added: Any = (await client.call_tool("add_todo", {"title": mode})).structured_content
        listed: Any = (await client.call_tool("list_todos", {})).structured_content
        assert listed["todos"] == [added]
    async with connected(f"{origin}/mcp", f"not-{name}", mode=mode) as client:
        listed = (await client.call_tool("list_todos", {})).structured_content
        assert listed["todos"] == []


async def test_a_program_reaches_what_is_of_the_tokens_owner(origin: str) -> None:
    titles: dict[str, list[Any]] = {}

    async def ask(name: str) -> None:
        async with connected(f"{origin}/mcp", name) as client:
            await client.call_tool("add_todo", {"title": f"of {name}"})
            code = "[todo['title'] for n in range(5) for todo in list_todos()['todos']]"
            ran: Any = (await client.call_tool("run_python", {"code": code})).structured_content
            titles[name] = ran["value"]

    people = [f"programmer-{number}" for number in range(6)]
    async with asyncio.TaskGroup() as group:
        for name in people:
            group.create_task(ask(name))
    assert titles == {name: [f"of {name}"] * 5 for name in people}


async def test_the_built_in_issuers_token_opens_the_door(origin: str, keys: KeyRing) -> None:
    token = genuine(keys, "bob", MCP)["built-in"].token()
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False) as http,
        Client(streamable_http_client(f"{origin}/mcp", http_client=http)) as client,
    ):
        assert not (await client.call_tool("add_todo", {"title": "Milk"})).is_error
    # The frontend's own issuer has the same name here, so that its bob is the same person.
    async with connected(f"{origin}/mcp", "bob") as client:
        listed: Any = (await client.call_tool("list_todos", {})).structured_content
        assert [todo["title"] for todo in listed["todos"]] == ["Milk"]


def test_every_forgery_is_refused(http: httpx2.Client, keys: KeyRing) -> None:
    forged = forgeries(keys, "victim", MCP, "turnlog")
    accepted: dict[str, int] = {}
    for name, token in forged.items():
        response = ask(http, token)
        if response.status_code != 401 or "resource_metadata" not in response.headers["WWW-Authenticate"]:
            accepted[name] = response.status_code
    assert accepted == {}


def test_the_tokens_that_the_forgeries_start_from_are_accepted(http: httpx2.Client, keys: KeyRing) -> None:
    for mint in genuine(keys, "victim", MCP).values():
        for claims in ({}, {"exp": 10**400}, {"act": "x"}, {"zoneinfo": "Europe"}):
            assert ask(http, mint.token(claims=claims)).status_code == 200, claims


def test_a_token_of_the_api_does_not_open_this_door(http: httpx2.Client) -> None:
    assert ask(http, token_for("alice")).status_code == 401
    assert ask(http, mcp_token("alice")).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil", "x"]
)
def test_a_foreign_host_is_refused(http: httpx2.Client, host: str) -> None:
    response = ask(http, mcp_token("alice"), Host=host)
    assert response.status_code == 421
    assert "todo" not in response.text


@pytest.mark.parametrize(
    "origin_header",
    [
        "https://evil.example",
        "null",
        "http://127.0.0.1.evil.example",
        "http://localhost@evil.example",
        "file://",
    ],
)
def test_a_foreign_origin_is_refused(http: httpx2.Client, origin_header: str) -> None:
    response = ask(http, mcp_token("alice"), Origin=origin_header)
    assert response.status_code == 403
    assert "todo" not in response.text


def test_loopback_under_any_of_its_names_is_let_in(http: httpx2.Client) -> None:
    for name in ("localhost", "localhost:8000", "127.0.0.1", "127.0.0.1:9", "[::1]", "[::1]:8000"):
        token = mcp_token("alice")
        assert ask(http, token, Host=name, Origin=f"http://{name}").status_code == 200, name


def test_a_host_that_the_operator_names_is_let_in(database: str, tmp_path: Path) -> None:
    settings = settings_for(
        database, "http://127.0.0.1:1/v1", data_dir=tmp_path, mcp_allowed_hosts="tools.example"
    )
    with serve(create_app(settings)) as url, httpx2.Client(base_url=url, headers=ACCEPT) as http:
        token = mcp_token("alice")
        assert ask(http, token, Host="tools.example").status_code == 200
        assert ask(http, token, Host="nottools.example").status_code == 421


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT", "OPTIONS", "HEAD"])
def test_the_path_is_exactly_this_and_never_redirects(http: httpx2.Client, method: str) -> None:
    # Streamed, for a GET opens a stream of events that does not end.
    for headers in ({}, signed_in()):
        with http.stream(method, "/mcp", headers=headers) as response:
            assert not response.has_redirect_location
            assert not 300 <= response.status_code < 400


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"17", b"\xff\xfe", b"[" * 100_000, b'{"jsonrpc": "2.0"}', b'{"a": NaN}'],
)
def test_a_body_that_is_no_request_is_a_clients_error(http: httpx2.Client, body: bytes) -> None:
    headers = signed_in() | {"Content-Type": "application/json"}
    response = http.post("/mcp", content=body, headers=headers)
    assert 400 <= response.status_code < 500, response.text
    assert "Traceback" not in response.text


@pytest.mark.parametrize("name", ["SECRET", "", "__class__", "add_todo\u0000"])
async def test_an_unknown_tool_is_answered_without_an_echo(origin: str, name: str) -> None:
    async with connected(f"{origin}/mcp", "alice") as client:
        with pytest.raises(Exception, match="Unknown tool") as raised:
            await client.call_tool(name, {})
        assert "SECRET" not in str(raised.value)


def test_the_tool_server_alone_has_the_same_door(database: str) -> None:
    with (
        tool_server_process(database) as (url, _),
        httpx2.Client(base_url=url.removesuffix("/mcp"), headers=ACCEPT, trust_env=False) as http,
    ):
        refused = ask(http, None)
        address = refused.headers["WWW-Authenticate"].partition('resource_metadata="')[2].partition('"')[0]
        assert http.get(address).json()["resource"] == url
        assert ask(http, token_for("alice")).status_code == 401
        assert ask(http, mcp_token("alice"), Host="evil.example").status_code == 421
        assert ask(http, mcp_token("alice"), Origin="https://evil.example").status_code == 403
        accepted = ask(http, mcp_token("alice"))
        assert accepted.status_code == 200
        assert "add_todo" in json.dumps(accepted.text)
