"""A tool server that goes away while it is needed, and comes back, or does not."""

import json
import socket
import threading
import time
from contextlib import ExitStack
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, ToolAnnotations
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typing_extensions import override

from chat_api.main import create_app
from chat_api.tools import bridge
from tests.chat_api.conftest import MakePerson
from tests.chat_api.processes import free_port, tool_server_process
from tests.chat_api.raw_server import RawAnswer, hang_up, raw_server
from tests.chat_api.replica import execute, in_thread, running_api, settings_for
from tests.chat_api.streams import SSE, hear
from tests.model_server import ModelServer, call, say, serve, sse
from tests.servers import Person

MCP = "http://127.0.0.1:{}/mcp"
READS = ToolAnnotations(read_only_hint=True)


class Door:
    """In front of a server: carries out each call of a tool, but answers the first ones with `answers`."""

    def __init__(self, app: ASGIApp, *answers: Response) -> None:
        self.calls = 0
        self.called = threading.Event()
        self._app = app
        self._answers = list(answers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (b"mcp-method", b"tools/call") not in scope.get("headers", ()):
            await self._app(scope, receive, send)
            return
        self.calls += 1
        self.called.set()
        if not self._answers:
            await self._app(scope, receive, send)
            return
        asked = bytearray()

        async def overhear() -> Message:
            message = await receive()
            asked.extend(message.get("body", b""))
            return message

        await self._app(scope, overhear, _nowhere)
        scope.setdefault("state", {})["asked"] = asked
        await self._answers.pop(0)(scope, receive, send)


class Result(Response):
    """A result of a call, for whatever request is asked."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__()
        self._result = result

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = json.loads(scope["state"]["asked"])
        answer = {"jsonrpc": "2.0", "id": asked["id"], "result": self._result}
        await JSONResponse(answer)(scope, receive, send)


async def _nowhere(_: Message) -> None:
    pass


def library(annotations: ToolAnnotations | None) -> ASGIApp:
    """A foreign server, that knows nothing of our keys."""
    foreign = MCPServer("foreign")

    @foreign.tool(annotations=annotations)
    async def lend(title: str) -> str:
        """Lend a book."""
        if title == "Missing":
            raise MCPError(code=INVALID_PARAMS, message="There is no such book.")
        return f"{title} is yours."

    return foreign.streamable_http_app(stateless_http=True)


def held_up(database_url: str) -> psycopg.Connection[Any]:
    """A transaction that lets no todo be written while it is open."""
    holding = psycopg.connect(database_url.replace("+psycopg", ""))
    holding.execute("LOCK TABLE todos IN SHARE MODE")
    return holding


def wait_for_writer(holding: psycopg.Connection[Any]) -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'todos'::regclass AND NOT granted"
    deadline = time.monotonic() + 30
    while not holding.execute(waiting).fetchall()[0][0]:
        assert time.monotonic() < deadline, "no todo is about to be written"


def todos(database_url: str, title: str) -> int:
    return execute(database_url, "SELECT count(*) FROM todos WHERE title = %s", title)[0][0]


def test_a_tool_server_killed_under_a_call_and_started_again_is_not_noticed(
    api_database: str, model: ModelServer, person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However long it takes to start on a busy machine.
    monkeypatch.setattr(bridge, "CALL_PATIENCE", 60)
    port, title = free_port(), uuid4().hex
    model.answers(call("add_todo", title=title), say("Noted."))
    with ExitStack() as stack:
        url = stack.enter_context(running_api(api_database, model.url, mcp_url=MCP.format(port)))
        with tool_server_process(api_database, port) as (_, process), held_up(api_database) as holding:
            turn = stack.enter_context(in_thread(partial(person(url).say, "Note it")))
            wait_for_writer(holding)
            process.kill()
            process.wait(30)
        stack.enter_context(tool_server_process(api_database, port))
        done = turn.result()["tool_calls"]
    assert [(each["error"], each["result"]["title"]) for each in done] == [(None, title)]
    assert todos(api_database, title) == 1


def test_a_call_whose_answer_is_lost_is_repeated_with_its_key(
    api_database: str, model: ModelServer, person: MakePerson
) -> None:
    title = uuid4().hex
    model.answers(call("add_todo", title=title), say("Noted."))
    door = Door(
        create_app(settings_for(api_database, model.url)), sse(breaks=True), Response(status_code=503)
    )
    with serve(door) as tools, running_api(api_database, model.url, mcp_url=f"{tools}/mcp") as url:
        done = person(url).say("Note it")["tool_calls"]
    assert [(each["error"], each["result"]["title"]) for each in done] == [(None, title)]
    assert (door.calls, todos(api_database, title)) == (3, 1)


def lent(model: ModelServer, alice: Person, title: str = "Emma") -> dict[str, Any]:
    """The one call of a turn."""
    model.answers(call("lend", title=title), say("So it is."))
    done: list[dict[str, Any]] = alice.say("Lend it to me")["tool_calls"]
    assert len(done) == 1
    return done[0]


@pytest.mark.parametrize(
    ("annotations", "calls"),
    [
        (None, 1),
        (ToolAnnotations(read_only_hint=False, destructive_hint=False), 1),
        (ToolAnnotations(idempotent_hint=True), 2),
        (READS, 2),
    ],
)
def test_a_foreign_call_whose_answer_is_lost_is_repeated_only_where_that_is_harmless(
    database_url: str, model: ModelServer, person: MakePerson, annotations: ToolAnnotations | None, calls: int
) -> None:
    door = Door(library(annotations), sse(breaks=True))
    with serve(door) as tools, running_api(database_url, model.url, mcp_url=f"{tools}/mcp") as url:
        told = lent(model, person(url))
    assert door.calls == calls
    if calls == 1:
        assert "may not have happened" in told["error"]
    else:
        assert told["error"] is None


@pytest.mark.parametrize(
    "answer",
    [
        Response("no", 401),
        Response("no", 404),
        Response("no", 429),
        Response("oops", 500),
        Response(status_code=202),
        Response("{", media_type="application/json"),
        Response("", media_type="text/event-stream"),
        JSONResponse({"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "oops"}}, 500),
    ],
    ids=["401", "404", "429", "500", "202", "no JSON", "an empty stream", "an error"],
)
def test_an_answer_that_is_no_result_is_told_at_once(
    database_url: str, model: ModelServer, person: MakePerson, answer: Response
) -> None:
    door = Door(library(READS), answer)
    with serve(door) as tools, running_api(database_url, model.url, mcp_url=f"{tools}/mcp") as url:
        assert "tool server" in lent(model, person(url))["error"]
    assert door.calls == 1


def test_an_error_that_says_that_the_database_is_away_is_not_told_but_tried_again(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    away: dict[str, Any] = {
        "content": [],
        "isError": True,
        "resultType": "complete",
        "_meta": {"turnlog/try-again": True},
    }
    door = Door(library(READS), Result(away))
    with serve(door) as tools, running_api(database_url, model.url, mcp_url=f"{tools}/mcp") as url:
        assert lent(model, person(url))["error"] is None
    assert door.calls == 2


def test_what_a_tool_server_refuses_is_told_at_once_in_its_words(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    door = Door(library(READS))
    with serve(door) as tools, running_api(database_url, model.url, mcp_url=f"{tools}/mcp") as url:
        told = lent(model, person(url), "Missing")
    assert told["error"] == "The tool server refused the call: There is no such book."
    assert door.calls == 1


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_tool_server_that_stays_away_is_told_when_patience_ends(
    database_url: str, model: ModelServer, person: MakePerson, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(bridge, "CALL_PATIENCE", 0.6)
    door = Door(library(READS), *[Response(status_code=status)] * 9)
    with serve(door) as tools, running_api(database_url, model.url, mcp_url=f"{tools}/mcp") as url:
        assert "did not answer" in lent(model, person(url))["error"]
    assert 2 <= door.calls < 9


def test_turns_wait_together_for_a_tool_server_that_is_away(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    port, asked_twice = free_port(), threading.Event()

    def second(_: socket.socket) -> None:
        asked_twice.set()

    with ExitStack() as stack:
        url = stack.enter_context(running_api(database_url, model.url, mcp_url=MCP.format(port)))
        with raw_server([hang_up, second], port) as asked:
            turns = [stack.enter_context(in_thread(partial(person(url).say, "Hello"))) for _ in range(8)]
            assert asked_twice.wait(30)
        assert not any(turn.done() for turn in turns)
        assert len(asked) == 2
        stack.enter_context(serve(library(READS), port))
        assert {turn.result()["response"] for turn in turns} == {"Hello."}


def test_a_turn_that_waits_for_a_tool_server_is_cancelled_at_once(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    asked = threading.Event()
    answers: list[RawAnswer] = [lambda _: asked.set()] * 99
    with (
        raw_server(answers) as server,
        running_api(database_url, model.url, mcp_url=server.url.replace("/v1", "/mcp")) as url,
    ):
        alice = person(url)
        run_id = begin(alice, "Hello")
        assert asked.wait(30)
        began = time.monotonic()
        run = alice.http.post(f"/api/v1/runs/{run_id}/cancel").json()
        assert run["status"] == "cancelled"
        with alice.http.stream("GET", f"/api/v1/runs/{run_id}/events", headers={"Accept": SSE}) as response:
            assert hear(response).frames[-1]["status"] == "cancelled"
    assert time.monotonic() - began < bridge.LIST_PATIENCE


def test_a_turn_whose_call_waits_for_a_tool_server_is_cancelled_at_once(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    door = Door(library(READS), *[Response(status_code=502)] * 99)
    with serve(door) as tools, running_api(database_url, model.url, mcp_url=f"{tools}/mcp") as url:
        alice = person(url)
        model.answers(call("lend", title="Emma"))
        run_id = begin(alice, "Lend it to me")
        assert door.called.wait(30)
        began = time.monotonic()
        run = alice.http.post(f"/api/v1/runs/{run_id}/cancel").json()
        assert run["status"] == "cancelled"
        with alice.http.stream("GET", f"/api/v1/runs/{run_id}/events", headers={"Accept": SSE}) as response:
            assert hear(response).frames[-1]["status"] == "cancelled"
    assert time.monotonic() - began < bridge.CALL_PATIENCE


def begin(person: Person, message: str) -> str:
    """Take a turn without waiting for it; return the id of its run."""
    path, headers = f"/api/{person.name}/chat", {"Prefer": "respond-async"}
    return person.http.post(path, json={"message": message}, headers=headers).json()["data"]["run_id"]
