"""The services of docker-compose.yml as processes on loopback: replicas, a tool server, nginx in front."""

import re
import shutil
import signal
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx2
import psycopg
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from sqlalchemy import make_url
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.chat_api.containers import Process, adapted, folders_of, free_ports, running, wait_for
from tests.chat_api.sockets import talking, text_of
from tests.chat_api.streams import NDJSON, SSE, Heard, chat_stream, frames
from tests.model_server import Hold, ModelServer, call, say, serve, serve_model, stream
from tests.programs import BIN
from tests.servers import SECRET, Person, mcp_token, token_for

NGINX: Final = shutil.which("nginx")
PATIENCE: Final = 60.0
REPLICAS: Final = 2


@dataclass(frozen=True, slots=True)
class Topology:
    """Addresses of nginx and of the tool server, `replicas` as processes, the folder of what tools keep."""

    front: str
    tools: str
    replicas: list[Process]
    database_url: str
    model: ModelServer
    files: Path


@pytest.fixture
def empty_database(postgres_url: str) -> Generator[str]:
    """A database without tables: all processes start at once, and one of them migrates it."""
    name = f"turnlog_topology_{uuid4().hex}"
    execute(postgres_url, f'CREATE DATABASE "{name}"')
    yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    execute(postgres_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def topology(empty_database: str, tmp_path: Path) -> Generator[Topology]:
    if NGINX is None:
        pytest.skip("nginx is not installed")
    front, tools, *apis = free_ports(2 + REPLICAS)
    with ExitStack() as stack:
        model = stack.enter_context(serve_model())
        settings = settings_for(empty_database, model.url, tools)
        own = {port: folders_of("mcp" if port == tools else "api", tmp_path) for port in (tools, *apis)}
        started = {
            tools: [str(BIN / "turnlog-mcp"), "--http", "--port", str(tools)],
            **{port: [str(BIN / "turnlog"), "serve"] for port in apis},
        }
        processes = {
            port: stack.enter_context(
                running(command, tmp_path / f"{port}.log", settings | own[port] | {"API_PORT": str(port)})
            )
            for port, command in started.items()
        }
        configuration = adapted(tmp_path, front, tools, apis)
        nginx = stack.enter_context(running([NGINX, *configuration], tmp_path / "nginx.log", {}))
        for port in apis:
            wait_for(processes[port], f"http://127.0.0.1:{port}/api/v1/health/ready")
        wait_for(processes[tools], f"http://127.0.0.1:{tools}/.well-known/oauth-protected-resource/mcp")
        wait_for(nginx, f"http://127.0.0.1:{front}/api/v1/health/ready")
        replicas = [processes[port] for port in apis]
        address = f"http://127.0.0.1:{front}"
        files = Path(own[tools]["FILES_ROOT"])
        yield Topology(address, f"http://127.0.0.1:{tools}", replicas, empty_database, model, files)


def settings_for(database_url: str, model_url: str, tools: int) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url,
        "JWT_SECRET_KEY": SECRET,
        "DEFAULT_PROVIDER": "openai",
        "OPENAI_BASE_URL": model_url,
        "MCP_URL": f"http://127.0.0.1:{tools}/mcp",
        "MCP_ALLOWED_HOSTS": "mcp",
        "SEARCH_BACKEND": "off",
        "TITLES_BY_MODEL": "false",
        "TIMEZONE": "Europe/Berlin",
    }


def execute(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


async def todos_of(name: str, address: str) -> list[str]:
    """The titles of somebody's todos, as the official MCP client sees them with that person's token."""
    bearer = {"Authorization": f"Bearer {mcp_token(name)}"}
    http = httpx2.AsyncClient(headers=bearer, trust_env=False)
    async with http, Client(streamable_http_client(f"{address}/mcp", http_client=http)) as client:
        result = await client.call_tool("list_todos", {})
        assert result.structured_content is not None
        return [todo["title"] for todo in result.structured_content["todos"]]


def test_the_containers_share_the_files_of_tools_and_no_key(tmp_path: Path) -> None:
    api, tools = folders_of("api", tmp_path), folders_of("mcp", tmp_path)
    assert api["FILES_ROOT"] == tools["FILES_ROOT"]
    assert "volumes" not in api["DATA_DIR"]


@pytest.mark.parametrize(("behind_tls", "told"), [(True, "203.0.113.7"), (False, "127.0.0.1")])
def test_the_api_is_told_whose_address_it_is(tmp_path: Path, told: str, *, behind_tls: bool) -> None:
    """With the lines that are for what ends TLS in front, and as it is without."""
    if NGINX is None:
        pytest.skip("nginx is not installed")

    async def tell(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.headers["X-Forwarded-For"])

    with serve(Starlette(routes=[Route("/", tell)])) as behind:
        api = int(behind.rpartition(":")[2])
        front, tools = free_ports(2)
        configuration = adapted(tmp_path, front, tools, [api])
        if behind_tls:
            take_in(tmp_path / "nginx.conf", "set_real_ip_from", "real_ip_header", "real_ip_recursive")
        with running([NGINX, *configuration], tmp_path / "nginx.log", {}) as nginx:
            address = f"http://127.0.0.1:{front}"
            wait_for(nginx, address)
            # The first is what the client has made up.
            passed_on = {"X-Forwarded-For": "192.0.2.66, 203.0.113.7"}
            assert httpx2.get(address, headers=passed_on, trust_env=False).text == told


def take_in(path: Path, *names: str) -> None:
    """Make a setting of each of these comments, for a proxy on loopback."""
    text = path.read_text()
    for name in names:
        text, count = re.subn(rf"# ({name} .*;)", r"\1", text)
        assert count == 1
    path.write_text(text.replace("set_real_ip_from 192.0.2.1;", "set_real_ip_from 127.0.0.1;"))


async def test_a_conversation_goes_through_nginx_to_any_replica(topology: Topology, tmp_path: Path) -> None:
    alice = Person(topology.front, "alice")
    with alice.http:
        conversation = three_turns(alice, topology)
        for door in (topology.tools, topology.front):
            assert await todos_of("alice", door) == ["Buy milk"]
            assert await todos_of("bob", door) == []
        check_hosts(topology.tools)
        check_too_large(alice)
        check_streams(alice, topology)
        check_sockets(alice, topology)
        check_files_are_erased(topology)
        check_killed_replicas_are_passed_over(alice, conversation, topology)
        check_no_token_is_logged(topology, tmp_path / "nginx.log")


def three_turns(alice: Person, topology: Topology) -> str:
    """Each turn on another replica, which knows what was said at the others."""
    topology.model.answers(call("add_todo", title="Buy milk"), say("Noted."), say("Yes."), say("Bye."))
    first = alice.say("Remind me to buy milk")
    conversation = str(first["conversation_id"])
    assert first["tool_calls"][0]["result"]["title"] == "Buy milk"
    alice.say("Did you note it?", conversation)
    alice.say("Thank you", conversation)
    told = [message["content"] for message in topology.model.requests[-1]["messages"][1:]]
    assert [text for text in told if text in {"Noted.", "Did you note it?", "Yes.", "Thank you"}] == [
        *("Noted.", "Did you note it?", "Yes.", "Thank you"),
    ]
    [(workers,)] = execute(topology.database_url, "SELECT count(DISTINCT lease_owner) FROM runs")
    assert workers == REPLICAS
    return conversation


def check_hosts(tools: str) -> None:
    """The tool server answers under the name that it has among containers, and under no stranger's."""
    bearer = f"Bearer {mcp_token('alice')}"
    headers = {"Authorization": bearer, "Accept": "application/json, text/event-stream"}
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    known, strange = (
        httpx2.post(f"{tools}/mcp", json=ping, headers={**headers, "Host": host}, trust_env=False)
        for host in ("mcp:8001", "evil.example")
    )
    assert (known.status_code, strange.status_code) == (200, 421)


def check_too_large(alice: Person) -> None:
    """What nginx refuses by itself is told as the API would."""
    response = alice.post("x" * 1_100_000)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (413, "too_large")
    assert error["request_id"] == response.headers["X-Request-ID"]
    large = {"messages": [{"role": "user", "content": "x" * 1_100_000}] * 2}
    refused = alice.http.post("/api/v1/conversations/import", json=large)
    # It passes nginx, and the API tells which message is too long.
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "nothing_imported")


def check_streams(alice: Person, topology: Topology) -> None:
    """Events pass nginx one by one, while the model holds back what comes after them."""
    for accept in (SSE, NDJSON):
        hold = Hold()
        topology.model.answers(stream("One ", hold, "two."))
        with chat_stream(alice, "Count", accept) as response:
            events = frames(response)
            heard = Heard()
            while heard.text != "One ":
                heard.take(*next(events))
            hold.open()
            for event in events:
                heard.take(*event)
        assert heard.text == "One two."


def check_sockets(alice: Person, topology: Topology) -> None:
    """So does a WebSocket, also of a page that nginx itself has served; it resumes at either replica."""
    hold = Hold()
    topology.model.answers(stream("One ", hold, "two."))
    with talking(alice, origin=topology.front) as talk:
        run_id = talk.ask("chat", message="Count")["run_id"]
        before = talk.until(lambda frame: frame["type"] == "token")
    with ExitStack() as stack:
        # As least_conn spreads them, one at each replica.
        talks = [stack.enter_context(talking(alice)) for _ in range(REPLICAS)]
        for talk in talks:
            talk.ask("subscribe", scope="run", run_id=run_id, after=before[-1]["seq"])
        hold.open()
        for talk in talks:
            assert text_of(before) + text_of(talk.to_the_end(run_id)) == "One two."


def check_files_are_erased(topology: Topology) -> None:
    """What the tool server has written for somebody is in their export, and gone with them."""
    topology.model.answers(call("write_file", path="diary.txt", content="Dear diary"), say("Written."))
    carol = Person(topology.front, "carol")
    with carol.http:
        carol.say("Write my diary")
        me = carol.http.get("/api/v1/auth/me").json()["id"]
        assert [path.name for path in (topology.files / me).iterdir()] == ["diary.txt"]
        assert '"diary.txt"' in carol.http.get("/api/v1/auth/me/export").text
        erased = carol.http.request("DELETE", "/api/v1/auth/me", json={"user_id": "carol"})
    assert erased.is_success, erased.text
    assert not (topology.files / me).exists()


def check_killed_replicas_are_passed_over(alice: Person, conversation: str, topology: Topology) -> None:
    topology.model.script = lambda _: say("Still here.")
    kill(topology.replicas[0])
    for _ in range(REPLICAS):
        assert alice.say("Are you there?", conversation)["response"] == "Still here."
    assert [message["role"] for message in alice.messages(conversation)] == ["user", "assistant"] * (
        3 + REPLICAS
    )
    for replica in topology.replicas[1:]:
        kill(replica)
    response = alice.post("Is anybody there?", conversation)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "unavailable")
    assert response.headers["Retry-After"]


def check_no_token_is_logged(topology: Topology, log: Path) -> None:
    path = f"/api/v1/runs/{uuid4()}/events"
    token = token_for("alice")
    response = httpx2.get(f"{topology.front}{path}?access_token={token}", trust_env=False)
    assert response.status_code == 503
    said = log.read_text()
    assert "/api/alice/chat" in said
    assert token not in said


def kill(process: Process) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE)
