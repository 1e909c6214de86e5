"""What a token is good for at the door, at both places where the tool server stands: status and challenge."""

import asyncio
import re
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, TypeAlias

import httpx2
import pytest
from mcp import Client
from mcp.client.auth.utils import extract_resource_metadata_from_www_auth, extract_scope_from_www_auth
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from chat_api.main import create_app
from kit.postgres import open_db
from kit.tokens import KeyRing, load_keys
from tests.chat_api.forgeries import Mint, genuine, hs256
from tests.chat_api.processes import free_port, tool_server_process
from tests.chat_api.replica import settings_for
from tests.mcp_server.doors import ERAS as MODES
from tests.mcp_server.doors import Era
from tests.mcp_server.raw_http import NEW, OLD, answer, request, send
from tests.model_server import serve
from tests.servers import mcp_token, token_for

ERAS = pytest.mark.parametrize("era", [OLD, NEW])
READ, WRITE, BOTH = "tools:read", "tools:write", "tools:read tools:write"
_METADATA: Final = "/.well-known/oauth-protected-resource/mcp"
_CHALLENGE: Final = re.compile(r'Bearer (?:[a-z_]+="[^"\\]*"(?:, |$))+')

Wrong: TypeAlias = Callable[[Mint], str]
WRONG: Final[dict[str, Wrong]] = {
    "no JWT": lambda _: "17",
    "three parts of nothing": lambda _: "a.b.c",
    "a token and more": lambda mint: f"{mint.token()} x",
    "expired": lambda mint: mint.token(claims={"exp": int(time.time()) - 6}),
    "not yet valid": lambda mint: mint.token(claims={"nbf": int(time.time()) + 60}),
    "from the future": lambda mint: mint.token(claims={"iat": int(time.time()) + 60}),
    "for the API": lambda mint: mint.token(claims={"aud": "turnlog"}),
    "for nobody": lambda mint: mint.token(without="aud"),
    "of a foreign issuer": lambda mint: mint.token(claims={"iss": "somebody"}),
    "of nobody": lambda mint: mint.token(without="sub"),
    "forged": lambda mint: mint.token(sign=hs256("another secret, which is long enough too")),
    "not signed": lambda mint: mint.token(header={"alg": "none"}, sign=lambda _: b""),
    "without its signature": lambda mint: mint.token().rpartition(".")[0] + ".",
}


def _api(database: str, folder: Path) -> AbstractContextManager[str]:
    port = free_port()
    settings = settings_for(database, "http://127.0.0.1:1/v1", data_dir=folder, api_port=port)
    return serve(create_app(settings), port)


@pytest.fixture(scope="module", params=["the API", "turnlog-mcp --http"])
def origin(
    request: pytest.FixtureRequest, shared_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Generator[str]:
    if request.param == "the API":
        with _api(shared_database, tmp_path_factory.mktemp("data")) as url:
            yield url
    else:
        with tool_server_process(shared_database) as (url, _):
            yield url.removesuffix("/mcp")


@pytest.fixture(scope="module")
def keys(origin: str, shared_database: str) -> KeyRing:
    assert origin, "a server makes the keys"

    async def load() -> KeyRing:
        async with open_db(shared_database) as db:
            return await load_keys(db)

    return asyncio.run(load())


@pytest.fixture
def http(origin: str) -> Generator[httpx2.Client]:
    with httpx2.Client(base_url=origin, trust_env=False, timeout=30) as client:
        yield client


def bearer(token: str) -> str:
    return f"Bearer {token}"


def challenge(response: httpx2.Response, origin: str) -> dict[str, str]:
    """What it says, without the address of the metadata, which is always there, and the words."""
    header = response.headers["WWW-Authenticate"]
    assert _CHALLENGE.fullmatch(header), header
    told = dict(re.findall(r'([a-z_]+)="([^"]*)"', header))
    assert told.pop("resource_metadata") == origin + _METADATA
    assert ("error_description" in told) == ("error" in told)
    told.pop("error_description", None)
    return told


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("authorization", [None, "Basic YTpi", "Bearer", "token", ""])
def test_without_a_token_the_challenge_names_no_error(
    http: httpx2.Client, origin: str, method: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    response = http.request(method, "/mcp", headers=headers)
    assert response.status_code == 401
    assert challenge(response, origin) == {"scope": READ}


def test_a_token_in_the_query_or_in_a_form_is_none(http: httpx2.Client, origin: str) -> None:
    token = {"access_token": mcp_token("alice")}
    for response in (http.post("/mcp", params=token, json={}), http.post("/mcp", data=token)):
        assert response.status_code == 401
        assert challenge(response, origin) == {"scope": READ}


@ERAS
@pytest.mark.parametrize("name", WRONG)
def test_a_token_that_is_not_right_is_an_invalid_one(
    http: httpx2.Client, origin: str, keys: KeyRing, era: str, name: str
) -> None:
    for mint in genuine(keys, "alice", "turnlog-mcp").values():
        message = request(era, "tools/list")
        assert send(http, era, message, Authorization=bearer(mint.token())).status_code == 200
        response = send(http, era, message, Authorization=bearer(WRONG[name](mint)))
        assert response.status_code == 401
        assert challenge(response, origin) == {"error": "invalid_token", "scope": READ}


def test_of_two_tokens_none_is_chosen(http: httpx2.Client, origin: str) -> None:
    for first, second in ((mcp_token("alice"), "17"), ("17", mcp_token("alice"))):
        headers = [("Authorization", bearer(first)), ("Authorization", bearer(second))]
        response = http.post("/mcp", json=request(OLD, "tools/list"), headers=headers)
        assert response.status_code == 401
        assert challenge(response, origin) == {"error": "invalid_token", "scope": READ}


@ERAS
@pytest.mark.parametrize(
    "claims",
    [
        {},
        *({"scope": scope} for scope in ("", WRITE, "tools:reads", "TOOLS:READ", "admin", 17, [READ], None)),
    ],
    ids=str,
)
def test_without_the_scope_to_read_nothing_is_allowed(
    http: httpx2.Client, origin: str, era: str, claims: dict[str, Any]
) -> None:
    token = bearer(token_for("alice", aud="turnlog-mcp", **claims))
    for method, params in (
        ("tools/list", {}),
        ("tools/call", {"name": "calculator", "arguments": {"expression": "1"}}),
        ("resources/read", {"uri": "todo://open"}),
        ("prompts/get", {"name": "plan_my_day"}),
        ("ping", {}),
        ("no/such", {}),
    ):
        response = send(http, era, request(era, method, **params), Authorization=token)
        assert response.status_code == 403, method
        assert challenge(response, origin) == {"error": "insufficient_scope", "scope": READ}
        assert answer(response)["id"] == 7
    writing = request(era, "tools/call", name="add_todo", arguments={"title": "x"})
    response = send(http, era, writing, Authorization=token)
    assert response.status_code == 403
    assert challenge(response, origin) == {"error": "insufficient_scope", "scope": BOTH}


def test_without_the_scope_to_read_not_even_a_mistake_is_explained(http: httpx2.Client, origin: str) -> None:
    token = {"Authorization": bearer(mcp_token("alice", ""))}
    for response in (
        http.get("/mcp", headers=token),
        http.post("/mcp", content=b"{", headers=token),
        http.post("/mcp", content=b"[]", headers=token | {"Content-Type": "application/json"}),
    ):
        assert response.status_code == 403
        assert challenge(response, origin) == {"error": "insufficient_scope", "scope": READ}


@ERAS
def test_with_the_scope_to_read_each_tool_that_changes_something_is_refused(
    http: httpx2.Client, origin: str, era: str
) -> None:
    token = bearer(mcp_token("alice", READ))
    listed = answer(send(http, era, request(era, "tools/list"), Authorization=token))["result"]["tools"]
    refused: set[str] = set()
    for tool in listed:
        call = request(era, "tools/call", name=tool["name"], arguments={})
        response = send(http, era, call, Authorization=token)
        if tool["annotations"]["readOnlyHint"]:
            assert response.status_code == 200
        else:
            refused.add(tool["name"])
            assert response.status_code == 403
            assert challenge(response, origin) == {"error": "insufficient_scope", "scope": BOTH}
            assert "add_todo" not in response.text
    assert {"add_todo", "update_todo", "complete_todo", "delete_todo", "write_file", "delete_file"} <= refused
    assert {"calculator", "list_todos", "run_python"} <= {tool["name"] for tool in listed} - refused


@ERAS
@pytest.mark.parametrize(
    "call",
    [
        '"params": {"name": "calculator"}, "params": {"name": "add_todo", "arguments": {"title": "x"}%s}',
        '"params": {"name": "calculator", "name": "add_todo", "arguments": {"title": "x"}%s}',
        r'"params": {"name": "add\u005ftodo", "arguments": {"title": "x"}%s}',
    ],
)
def test_a_name_that_hides_is_found(http: httpx2.Client, era: str, call: str, user: str) -> None:
    """The check and the server must not read one message as two different ones."""
    known = request(era, "tools/call", name="add_todo")
    meta = '{"io.modelcontextprotocol/protocolVersion": "2026-07-28",'
    meta += ' "io.modelcontextprotocol/clientCapabilities": {}}'
    named = call % (f', "_meta": {meta}' if era == NEW else "")
    body = f'{{"jsonrpc": "2.0", "id": 7, "method": "tools/call", {named}}}'.encode()

    def ask(scope: str) -> httpx2.Response:
        described = send(http, era, known, Authorization=bearer(mcp_token(user, scope)))
        headers = {name: described.request.headers[name] for name in described.request.headers}
        headers.pop("content-length")
        return http.post("/mcp", content=body, headers=headers)

    assert ask(READ).status_code == 403
    assert ask(BOTH).status_code == 200, "the control: the same message does add one"
    listing = request(era, "tools/call", name="list_todos", arguments={})
    listed = answer(send(http, era, listing, Authorization=bearer(mcp_token(user, READ))))
    assert len(listed["result"]["structuredContent"]["todos"]) == 1


@pytest.mark.parametrize("era", MODES)
async def test_the_official_client_reads_and_is_told_what_it_needs_to_write(
    origin: str, era: Era, user: str
) -> None:
    headers = {"Authorization": bearer(mcp_token(user, READ))}
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False, timeout=30) as http,
        Client(streamable_http_client(f"{origin}/mcp", http_client=http), mode=era) as client,
    ):
        assert "add_todo" in {tool.name for tool in (await client.list_tools()).tools}
        with pytest.raises(MCPError, match="scope tools:read tools:write"):
            await client.call_tool("add_todo", {"title": "x"})
        listed: Any = (await client.call_tool("list_todos", {})).structured_content
        assert listed["todos"] == []
        assert (await client.read_resource("todo://open")).contents
        http.headers["Authorization"] = bearer(mcp_token(user))
        assert not (await client.call_tool("add_todo", {"title": "x"})).is_error


def test_the_official_client_understands_both_challenges(http: httpx2.Client, origin: str) -> None:
    writing = request(NEW, "tools/call", name="add_todo", arguments={"title": "x"})
    for token, scope in (("17", READ), (mcp_token("alice", READ), BOTH)):
        response = send(http, NEW, writing, Authorization=bearer(token))
        assert extract_scope_from_www_auth(response) == scope
        assert extract_resource_metadata_from_www_auth(response) == origin + _METADATA


def test_the_metadata_says_all_that_a_client_needs(http: httpx2.Client, origin: str) -> None:
    response = http.get(_METADATA)
    assert response.status_code == 200
    assert response.json() == {
        "resource": f"{origin}/mcp",
        "authorization_servers": [origin],
        "scopes_supported": [READ, WRITE],
        "bearer_methods_supported": ["header"],
    }


def test_the_metadata_is_of_the_address_that_clients_know(shared_database: str, tmp_path: Path) -> None:
    settings = settings_for(
        shared_database, "http://127.0.0.1:1/v1", data_dir=tmp_path, public_url="https://tools.example/"
    )
    with serve(create_app(settings)) as url, httpx2.Client(base_url=url, trust_env=False) as http:
        assert challenge(http.post("/mcp"), "https://tools.example") == {"scope": READ}
        told = http.get(_METADATA).json()
        assert told["resource"] == "https://tools.example/mcp"
        assert told["authorization_servers"] == ["https://tools.example"]
