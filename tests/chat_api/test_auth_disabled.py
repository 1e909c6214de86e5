"""Who is disabled is out: at every door, on every replica, and from what is open."""

import socket
from collections.abc import Generator
from contextlib import ExitStack
from http.client import HTTPResponse

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from websockets.sync.client import connect

from kit.access import access
from tests.chat_api.accounts import AUTH, Someone, code_of, someone
from tests.chat_api.conftest import MakePerson
from tests.chat_api.processes import free_port, tool_server_process
from tests.chat_api.replica import Gate, execute, in_thread, running_api
from tests.chat_api.sockets import Talk, address, closing
from tests.chat_api.streams import NDJSON, SSE, frames, read_sse
from tests.chat_api.waiting import once
from tests.mcp_server.raw_http import NEW, request, send
from tests.model_server import Hold, ModelServer, say, serve, stream
from tests.servers import mcp_token

USERS = "/api/v1/users"
DISABLED = (401, "account_disabled")


@pytest.fixture
def alice(root: Someone, servers: list[str], model: ModelServer) -> Generator[Someone]:
    """At the other replica than the admin."""
    with someone(servers[1]) as person:
        yield person


def disable(root: Someone, person: Someone) -> None:
    assert root.http.post(f"{USERS}/{person.user['id']}/disable").json()["disabled"] is True


def test_nothing_that_they_have_opens_any_door(root: Someone, alice: Someone, servers: list[str]) -> None:
    with httpx2.Client(base_url=servers[0], headers=alice.http.headers, trust_env=False) as same:
        assert same.get(f"{AUTH}/me").status_code == 200
        disable(root, alice)
        # On the replica where it was said, at once.
        assert code_of(same.get(f"{AUTH}/me")) == DISABLED
        once(lambda: alice.http.get(f"{AUTH}/me").status_code == 401)
        assert code_of(alice.say("Hello")) == DISABLED
        assert code_of(alice.refresh()) == (401, "session_over")
        assert code_of(alice.log_in()) == DISABLED
        assert code_of(alice.log_in("not it")) == (401, "wrong_credentials")
        assert root.http.post(f"{USERS}/{alice.user['id']}/enable").json()["disabled"] is False
        assert same.get(f"{AUTH}/me").status_code == 200
        assert code_of(alice.refresh()) == (401, "session_over")
        assert alice.log_in().status_code == 200


def test_people_of_another_issuer_are_out_too(
    root: Someone, servers: list[str], person: MakePerson, model: ModelServer
) -> None:
    bob = person(servers[1])
    bob.say("Hello")
    [user] = root.http.get(USERS, params={"q": bob.name}).json()["users"]
    with httpx2.Client(
        base_url=servers[0], headers={"Authorization": f"Bearer {mcp_token(bob.name)}"}, trust_env=False
    ) as http:
        listing = request(NEW, "tools/list")
        assert send(http, NEW, listing).status_code == 200
        assert root.http.post(f"{USERS}/{user['id']}/disable").status_code == 200
        assert send(http, NEW, listing).status_code == 401
    once(lambda: bob.http.get("/api/v1/runs").status_code == 401)


def test_the_tool_server_by_itself_lets_them_in_no_more(
    root: Someone, database: str, servers: list[str], person: MakePerson, model: ModelServer
) -> None:
    carol = person(servers[0])
    carol.say("Hello")
    [user] = root.http.get(USERS, params={"q": carol.name}).json()["users"]
    port = free_port()
    headers = {"Authorization": f"Bearer {mcp_token(carol.name)}"}
    with (
        tool_server_process(database, port),
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False) as http,
    ):
        listing = request(NEW, "tools/list")
        assert send(http, NEW, listing).status_code == 200
        root.http.post(f"{USERS}/{user['id']}/disable")
        once(lambda: send(http, NEW, listing).status_code == 401)


@pytest.mark.parametrize("accept", [SSE, NDJSON])
def test_a_stream_that_is_open_ends_with_the_reason_and_its_turn_is_cancelled(
    root: Someone, alice: Someone, model: ModelServer, database: str, accept: str
) -> None:
    hold = Hold()
    model.answers(stream("Half of it", hold, " and the rest"))
    chat = f"/api/{alice.user['user_id']}/chat"
    with alice.http.stream("POST", chat, json={"message": "Hello"}, headers={"Accept": accept}) as response:
        heard = frames(response)
        hold.wait()
        while next(heard)[1]["type"] != "token":
            pass
        disable(root, alice)
        *_, (number, last) = heard
    assert number is None
    assert (last["type"], last["code"]) == ("error", "account_disabled")
    assert last["run_id"] == response.headers["X-Run-ID"]
    owner = alice.user["id"]
    status = "SELECT status FROM runs WHERE user_id = %s"
    once(lambda: execute(database, status, owner) == [("cancelled",)])
    hold.open()


def test_turns_in_line_are_cancelled_too(
    root: Someone, alice: Someone, model: ModelServer, database: str
) -> None:
    gate = Gate()
    model.answers(gate.before(say("Never.")))
    path, wait = f"/api/{alice.user['user_id']}/chat", {"Prefer": "respond-async"}
    begun = alice.http.post(path, json={"message": "Hello"}, headers=wait).json()["data"]
    gate.wait()
    more = {"message": "And", "conversation_id": begun["conversation_id"], "if_busy": "enqueue"}
    assert alice.http.post(path, json=more, headers=wait).status_code == 202
    disable(root, alice)
    status = "SELECT status FROM runs WHERE user_id = %s"
    once(lambda: execute(database, status, alice.user["id"]) == [("cancelled",)] * 2)
    gate.open()


def test_a_tool_call_under_way_ends(
    root: Someone, database: str, person: MakePerson, model: ModelServer
) -> None:
    gate = Gate()
    page = Starlette(routes=[Route("/slow", gate.before(PlainTextResponse("Never.")))])
    with serve(page) as site, running_api(database, model.url, fetch_allow_hosts=site[7:]) as url:
        dave = person(url)
        dave.say("Hello")
        [user] = root.http.get(USERS, params={"q": dave.name}).json()["users"]
        headers = {"Authorization": f"Bearer {mcp_token(dave.name)}"}
        fetch = request(NEW, "tools/call", name="fetch_page", arguments={"url": f"{site}/slow"})
        with (
            httpx2.Client(base_url=url, headers=headers, trust_env=False, timeout=30) as http,
            in_thread(lambda: send(http, NEW, fetch)) as waiting,
        ):
            gate.wait()
            root.http.post(f"{USERS}/{user['id']}/disable")
            answer = waiting.result(5)
        assert (answer.status_code, answer.json()["jsonrpc"]) == (401, "2.0")
        assert "account is disabled" in answer.json()["error"]["message"]
        challenge = answer.headers["WWW-Authenticate"]
        assert 'error="invalid_token"' in challenge
        assert '/.well-known/oauth-protected-resource/mcp"' in challenge
        gate.open()


def test_who_waits_for_an_answer_waits_no_more(root: Someone, alice: Someone, model: ModelServer) -> None:
    gate = Gate()
    model.answers(gate.before(say("Never.")))
    with in_thread(lambda: alice.say("Hello")) as waiting:
        gate.wait()
        disable(root, alice)
        assert waiting.result().status_code in (401, 409)
        gate.open()


def test_a_websocket_is_closed_with_the_reason(root: Someone, alice: Someone, servers: list[str]) -> None:
    with connect(address(servers[1]), proxy=None, compression=None) as connection:
        talk = Talk(connection)
        talk.say("auth", token=alice.tokens["access_token"])
        assert talk.ask("ping")["type"] == "pong"
        disable(root, alice)
        code, heard = closing(talk)
    assert (code, heard[-1]["code"]) == (4401, "account_disabled")
    with connect(address(servers[1]), proxy=None, compression=None) as connection:
        talk = Talk(connection)
        talk.say("auth", token=alice.tokens["access_token"])
        code, heard = closing(talk)
    assert (code, heard[-1]["code"]) == (4401, "account_disabled")


def test_a_connection_that_had_another_request_before_is_no_shelter(
    root: Someone, alice: Someone, servers: list[str]
) -> None:
    host = servers[0].removeprefix("http://")
    # So large that the server pauses to read it, and goes on in the midst of that request.
    body = b'{"message": "' + b"x" * 250_000 + b'"}'
    head = f"POST /api/nobody/chat HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
    name, port = host.split(":")
    with socket.create_connection((name, int(port))) as line:
        line.sendall(head.encode() + body)
        answer = HTTPResponse(line)
        answer.begin()
        assert (answer.status, bool(answer.read())) == (401, True)
        with connect(address(servers[0]), proxy=None, compression=None, sock=line) as connection:
            talk = Talk(connection)
            talk.say("auth", token=alice.tokens["access_token"])
            assert talk.ask("ping")["type"] == "pong"
            disable(root, alice)
            code, heard = closing(talk)
    assert (code, heard[-1]["code"]) == (4401, "account_disabled")


def test_others_stay_where_they_are(
    root: Someone, alice: Someone, servers: list[str], model: ModelServer
) -> None:
    """The control: a stream and a WebSocket of somebody else, while another one is disabled."""
    hold = Hold()
    model.answers(stream("Half of it", hold, " and the rest"))
    with ExitStack() as stack:
        victim = stack.enter_context(someone(servers[1]))
        socket = stack.enter_context(connect(address(servers[1]), proxy=None, compression=None))
        talk = Talk(socket)
        talk.say("auth", token=alice.tokens["access_token"])
        assert talk.ask("ping")["type"] == "pong"
        chat = f"/api/{alice.user['user_id']}/chat"
        body = {"message": "Hello", "stream": True}
        response = stack.enter_context(alice.http.stream("POST", chat, json=body))
        frames = read_sse(response.iter_raw())
        hold.wait()
        disable(root, victim)
        once(lambda: victim.http.get(f"{AUTH}/me").status_code == 401)
        hold.open()
        said = "".join(frame.get("content", "") for _, frame in frames)
        assert said == "Half of it and the rest"
        assert talk.ask("ping")["type"] == "pong"


def test_it_is_known_after_a_restart(
    root: Someone, alice: Someone, database: str, model: ModelServer
) -> None:
    disable(root, alice)
    with running_api(database, model.url) as url:
        answer = httpx2.get(f"{url}{AUTH}/me", headers=alice.http.headers, trust_env=False)
    assert code_of(answer) == DISABLED


def test_a_word_that_was_lost_is_made_up_for(
    alice: Someone, database: str, model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand in the database nobody is told: each process looks by itself every few seconds."""
    assert access._EVERY <= 5  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(access, "_EVERY", 0.3)
    with (
        running_api(database, model.url) as url,
        httpx2.Client(base_url=url, headers=alice.http.headers, trust_env=False) as http,
    ):
        assert http.get(f"{AUTH}/me").status_code == 200
        execute(database, "UPDATE users SET disabled_at = now() WHERE id = %s", alice.user["id"])
        once(lambda: http.get(f"{AUTH}/me").status_code != 200)
        assert code_of(http.get(f"{AUTH}/me")) == DISABLED
