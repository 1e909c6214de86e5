"""A tool server elsewhere that is down, dies, or is none."""

import json
import time
from collections.abc import Generator
from typing import Any

import httpx2
import pytest
from mcp.client.streamable_http import StreamableHTTPTransport
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from chat_api.main import create_app
from chat_api.tools import bridge
from tests.chat_api.conftest import MakePerson
from tests.chat_api.foreign import tool_names
from tests.chat_api.liar import hang, lying, result, tool
from tests.chat_api.processes import free_port, tool_server_process
from tests.chat_api.raw_server import (
    RawAnswer,
    babble,
    halve,
    halve_chunks,
    hang_up,
    raw_server,
    reset,
)
from tests.chat_api.replica import Gate, in_thread, running_api, settings_for
from tests.model_server import ModelServer, call, say, serve
from tests.servers import Person

MCP = "http://127.0.0.1:{}/mcp"


def assert_unreachable(response: httpx2.Response) -> None:
    assert response.status_code == 502, response.text
    assert response.json()["error"]["code"] == "tool_server_unreachable"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tool server that is away is not waited for much longer than a test may take."""
    monkeypatch.setattr(bridge, "LIST_PATIENCE", 0.1)
    monkeypatch.setattr(bridge, "CALL_PATIENCE", 0.6)


@pytest.mark.usefixtures("impatient")
def test_a_tool_server_that_is_down_is_named_and_found_again(
    api_database: str, model: ModelServer, person: MakePerson
) -> None:
    port = free_port()
    with running_api(api_database, model.url, mcp_url=MCP.format(port)) as url:
        alice = person(url)
        for _ in range(2):
            assert_unreachable(alice.post("Hello"))
        assert model.requests == []
        with serve(create_app(settings_for(api_database, model.url)), port):
            data = said_when_there(alice, model)
            assert data["tool_calls"][0]["result"]["title"] == "Milk"
        model.answers(call("list_todos"), say("I cannot see them."))
        data = alice.say("What is there to do?", data["conversation_id"])
        assert "did not answer" in data["tool_calls"][0]["error"]
        assert data["response"] == "I cannot see them."


def said_when_there(alice: Person, model: ModelServer) -> dict[str, Any]:
    """The first turn that is answered: that the server was not there may be remembered for a moment."""
    deadline = time.monotonic() + 30
    model.answers(call("add_todo", title="Milk"), say("Noted."))
    while (response := alice.post("Buy milk")).status_code != 200:
        assert_unreachable(response)
        assert time.monotonic() < deadline
    return response.json()["data"]


@pytest.mark.usefixtures("impatient")
def test_a_tool_server_that_dies_under_a_turn_is_told_to_the_model(
    api_database: str, model: ModelServer, person: MakePerson
) -> None:
    gate = Gate()
    model.answers(call("list_todos"), gate.before(call("list_todos")), say("It is gone."))
    with (
        tool_server_process(api_database) as (tools, process),
        running_api(api_database, model.url, mcp_url=tools) as url,
    ):
        alice = person(url)
        with in_thread(lambda: alice.say("What is there to do?")) as turn:
            gate.wait()
            process.kill()
            process.wait(30)
            gate.open()
        first, second = turn.result()["tool_calls"]
        assert first["result"]["todos"] == []
        assert "did not answer" in second["error"]
        assert turn.result()["response"] == "It is gone."


NO_TOOL_SERVER: dict[str, Response] = {
    "html": HTMLResponse("<p>Hello</p>"),
    "500": Response("oops", 500),
    "401": Response("no", 401),
    "403": Response("no", 403),
    "404": Response("no", 404),
    "429": Response("no", 429),
    "{}": JSONResponse({}),
    "[]": JSONResponse([]),
    "null": JSONResponse(None),
    "no JSON": Response("{", media_type="application/json"),
    "an empty stream": Response("", media_type="text/event-stream"),
    "a stream of nonsense": Response("data: {}\n\n", media_type="text/event-stream"),
    "nothing": Response(status_code=204),
    "accepted": Response(status_code=202),
    "a redirect": RedirectResponse("http://127.0.0.1:1/mcp"),
    "10,000 lists": Response("[" * 10_000, media_type="application/json"),
    "a redirect to nowhere": Response(status_code=307, headers={"location": "http://nowhere:port/"}),
}


class Impostor:
    """A server at the tool server's address that answers whatever the test wants."""

    def __init__(self) -> None:
        self.answer: Response = Response()
        self.result: Any = None

    async def __call__(self, request: Request) -> Response:
        if self.result is None:
            return self.answer
        asked = await request.json()
        return JSONResponse({"jsonrpc": "2.0", "id": asked["id"], "result": json.loads(self.result)})


@pytest.fixture(scope="module")
def impostor() -> Impostor:
    return Impostor()


@pytest.fixture(scope="module")
def misled(api_database: str, shared_model: ModelServer, impostor: Impostor) -> Generator[str]:
    """An API that takes the impostor for its tool server: each test's turns find it as it was left."""
    with (
        serve(
            Starlette(routes=[Route("/mcp", impostor.__call__, methods=["POST", "GET", "DELETE"])])
        ) as tools,
        running_api(api_database, shared_model.url, mcp_url=f"{tools}/mcp") as url,
    ):
        yield url


@pytest.mark.parametrize("name", NO_TOOL_SERVER)
def test_what_is_no_tool_server_fails_the_turn_with_a_name(
    misled: str, impostor: Impostor, model: ModelServer, person: MakePerson, name: str
) -> None:
    impostor.answer, impostor.result = NO_TOOL_SERVER[name], None
    assert_unreachable_again_and_again(person(misled))
    assert model.requests == []


@pytest.mark.parametrize(
    "result", ["null", "17", "[]", "{}", '{"tools": 17}', '{"tools": [null]}', '{"tools": [{"name": "x"}]}']
)
def test_results_that_make_no_sense_fail_the_turn_with_a_name(
    misled: str, impostor: Impostor, model: ModelServer, person: MakePerson, result: str
) -> None:
    impostor.result = result
    assert_unreachable_again_and_again(person(misled))
    assert model.requests == []


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("answer", [reset, hang_up, halve, halve_chunks, babble])
def test_a_connection_that_breaks_fails_the_turn_alone(
    api_database: str, model: ModelServer, person: MakePerson, answer: RawAnswer
) -> None:
    with (
        raw_server([answer] * 9) as asked,
        running_api(api_database, model.url, mcp_url=asked.url.replace("/v1", "/mcp")) as url,
    ):
        assert_unreachable_again_and_again(person(url))
    assert model.requests == []


def assert_unreachable_again_and_again(alice: Person) -> None:
    assert_unreachable(alice.post("Hello"))
    assert_unreachable(alice.post("Hello"))
    assert alice.http.get("/api/v1/health/ready").status_code == 200


def test_a_tool_server_that_knows_another_issuer_lets_nobody_in(
    api_database: str, database_url: str, model: ModelServer, person: MakePerson
) -> None:
    """Its keys are those of another database, so that it believes none of our tokens."""
    with (
        running_api(database_url, model.url) as stranger,
        running_api(api_database, model.url, mcp_url=f"{stranger}/mcp") as url,
    ):
        assert_unreachable(person(url).post("Hello"))


@pytest.mark.usefixtures("impatient")
def test_a_client_of_the_tool_server_that_has_ended_is_opened_anew(
    api_database: str,
    model: ModelServer,
    person: MakePerson,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The MCP SDK ends it at what it does not expect, and with it whatever else its task has to do."""
    handle, faults = StreamableHTTPTransport._handle_json_response, list[Exception]()  # pyright: ignore[reportPrivateUsage]

    async def stumble(*arguments: Any, **options: Any) -> None:
        if faults:
            raise faults.pop()
        await handle(*arguments, **options)

    monkeypatch.setattr(StreamableHTTPTransport, "_handle_json_response", stumble)
    with (
        serve(create_app(settings_for(api_database, model.url))) as tools,
        running_api(api_database, model.url, mcp_url=f"{tools}/mcp") as url,
    ):
        alice = person(url)
        model.answers(call("list_todos"), say("There is nothing to do."))
        assert alice.say("What is there to do?")["tool_calls"][0]["error"] is None
        for _ in range(3):
            faults.append(ZeroDivisionError())
            model.answers(call("list_todos"), say("There is nothing to do."))
            assert alice.say("And now?")["tool_calls"][0]["error"] is None
            assert not faults
            assert alice.http.get("/api/v1/health/ready").status_code == 200
    assert "".join(capfd.readouterr()).count("mcp_client_ended") == 3


def test_tools_are_listed_anew_when_their_server_says_that_they_may_have_changed(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    with (
        lying(list=result(tools=[tool("first")], ttlMs=1)) as liar,
        running_api(database_url, model.url, mcp_url=liar.url) as url,
    ):
        alice = person(url)
        alice.say("Hello")
        assert tool_names(model.requests[-1]) == ["first"]
        liar.answers["tools/list"] = result(tools=[tool("second")], ttlMs=3_600_000)
        deadline = time.monotonic() + 10
        while tool_names(model.requests[-1]) != ["second"]:
            assert time.monotonic() < deadline
            alice.say("Hello again")
        listed = liar.asked.count("tools/list")
        for _ in range(5):
            alice.say("Hello again")
        assert liar.asked.count("tools/list") == listed


def test_a_tool_server_that_hangs_when_it_is_listed_again_holds_up_no_turn(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    with (
        lying(list=result(tools=[tool("first")], ttlMs=1)) as liar,
        running_api(database_url, model.url, mcp_url=liar.url) as url,
    ):
        alice = person(url)
        alice.say("Hello")
        liar.answers["tools/list"] = hang
        deadline = time.monotonic() + 10
        while liar.asked.count("tools/list") == 1:
            assert time.monotonic() < deadline
            began = time.monotonic()
            alice.say("Hello again")
            assert time.monotonic() - began < 5
            assert tool_names(model.requests[-1]) == ["first"]
        began = time.monotonic()
        for _ in range(3):
            alice.say("Hello again")
        assert time.monotonic() - began < 5
        assert liar.asked.count("tools/list") == 2
