"""API keys: good wherever a token is, for what they are for, until they are revoked."""

from collections.abc import Generator
from typing import Any

import httpx2
import pytest
from websockets.sync.client import connect

from tests.chat_api.accounts import AUTH, KEYS, Someone, code_of, make_key, someone, using
from tests.chat_api.conftest import MakePerson
from tests.chat_api.replica import execute, running_api
from tests.chat_api.sockets import Talk, address, closing
from tests.chat_api.streams import read_sse
from tests.chat_api.waiting import once
from tests.mcp_server.raw_http import NEW, answer, request, send
from tests.model_server import Hold, ModelServer, stream

NOT_VALID = (401, "invalid_token")


@pytest.fixture
def alice(root: Someone, servers: list[str], model: ModelServer) -> Generator[Someone]:
    with someone(servers[0]) as person:
        yield person


def test_a_key_does_what_a_token_does(alice: Someone, servers: list[str]) -> None:
    key = make_key(alice)["key"]
    chat = f"/api/{alice.user['user_id']}/chat"
    for url in servers:
        with using(url, key) as http:
            assert http.post(chat, json={"message": "Hello"}).json()["data"]["response"] == "Hello."
            assert http.get(f"{AUTH}/me").json()["email"] == alice.email
            assert code_of(http.post("/api/somebody/chat", json={"message": "x"})) == (403, "forbidden")


def test_the_key_is_shown_once_and_kept_as_a_hash(alice: Someone, database: str) -> None:
    shown = make_key(alice, "read")
    assert shown["key"].startswith(shown["prefix"])
    [listed] = alice.http.get(KEYS).json()["api_keys"]
    assert listed == {name: value for name, value in shown.items() if name != "key"}
    assert shown["key"] not in str(execute(database, "SELECT * FROM api_keys"))


def test_when_it_was_last_used_is_written_once_a_minute(
    alice: Someone, servers: list[str], database: str
) -> None:
    key = make_key(alice)

    def used() -> Any:
        return alice.http.get(KEYS).json()["api_keys"][0]["last_used_at"]

    assert used() is None
    for url in servers:
        with using(url, key["key"]) as http:
            http.get(f"{AUTH}/me")
    first = used()
    assert first is not None
    execute(database, "UPDATE api_keys SET last_used_at = now() - interval '1 hour'")
    with running_api(database, None) as third, using(third, key["key"]) as http:
        http.get(f"{AUTH}/me")
    assert used() > first


@pytest.mark.parametrize(
    ("scopes", "reads", "writes", "tools", "changes"),
    [
        (["read"], 200, 403, 403, 403),
        (["write"], 403, 200, 403, 403),
        (["tools:read"], 403, 403, 200, 403),
        (["tools:read", "tools:write"], 403, 403, 200, 200),
        (["tools:write"], 403, 403, 403, 403),
        (["read", "write", "tools:read", "tools:write"], 200, 200, 200, 200),
    ],
)
def test_a_key_is_for_its_scopes(
    alice: Someone, servers: list[str], scopes: list[str], reads: int, writes: int, tools: int, changes: int
) -> None:
    with using(servers[0], make_key(alice, *scopes)["key"]) as http:
        read = http.get("/api/v1/runs")
        write = http.post(f"/api/{alice.user['user_id']}/chat", json={"message": "Hello"})
        listing = send(http, NEW, request(NEW, "tools/list"))
        note = request(NEW, "tools/call", name="add_todo", arguments={"title": "Milk"})
        assert [read.status_code, write.status_code] == [reads, writes]
        assert [listing.status_code, send(http, NEW, note).status_code] == [tools, changes]
        for refused in (read, write):
            if refused.status_code == 403:
                assert code_of(refused) == (403, "missing_scope")


def test_what_a_key_notes_at_the_tool_server_is_its_owners(alice: Someone, servers: list[str]) -> None:
    with using(servers[1], make_key(alice, "tools:read", "tools:write")["key"]) as http:
        note = request(NEW, "tools/call", name="add_todo", arguments={"title": "Mine"})
        assert send(http, NEW, note).status_code == 200
        listed = answer(send(http, NEW, request(NEW, "tools/call", name="list_todos", arguments={})))
    assert "Mine" in str(listed)


def test_a_key_makes_no_keys_and_touches_no_account(alice: Someone, servers: list[str]) -> None:
    key = make_key(alice, "read", "write", "tools:read", "tools:write")
    with using(servers[0], key["key"]) as http:
        asked = [
            http.get(KEYS),
            http.post(KEYS, json={"name": "Another"}),
            http.delete(f"{KEYS}/{key['key_id']}"),
            http.post(f"{AUTH}/logout-all"),
            http.patch(f"{AUTH}/me", json={"name": "x"}),
            http.post(f"{AUTH}/change-password", json={"current_password": "x", "new_password": "y"}),
        ]
    assert [code_of(refused) for refused in asked] == [(403, "login_needed")] * len(asked)


def test_only_an_admins_key_is_an_admins(root: Someone, alice: Someone, servers: list[str]) -> None:
    refused = alice.http.post(KEYS, json={"name": "x", "scopes": ["admin"]})
    assert code_of(refused) == (403, "admin_only")
    plain, admin = make_key(root, "read")["key"], make_key(root, "read", "admin")["key"]
    with using(servers[0], plain) as http:
        assert code_of(http.get("/api/v1/users")) == (403, "admin_only")
    with using(servers[0], admin) as http:
        assert http.get("/api/v1/users").status_code == 200
        assert code_of(http.post("/api/v1/users", json={"email": "x@y.z"})) == (403, "missing_scope")


def test_a_key_of_somebody_who_is_no_admin_any_more_is_none(
    root: Someone, alice: Someone, servers: list[str]
) -> None:
    path = f"/api/v1/users/{alice.user['id']}"
    root.http.patch(path, json={"role": "admin"})
    alice.refresh()
    with using(servers[1], make_key(alice, "read", "admin")["key"]) as http:
        assert http.get("/api/v1/users").status_code == 200
        root.http.patch(path, json={"role": "user"})
        once(lambda: http.get("/api/v1/users").status_code == 403)


def test_a_revoked_key_is_none_any_more(alice: Someone, servers: list[str]) -> None:
    key = make_key(alice)
    with using(servers[0], key["key"]) as here, using(servers[1], key["key"]) as there:
        assert [http.get(f"{AUTH}/me").status_code for http in (here, there)] == [200, 200]
        assert alice.http.delete(f"{KEYS}/{key['key_id']}").status_code == 200
        assert code_of(here.get(f"{AUTH}/me")) == NOT_VALID
        once(lambda: there.get(f"{AUTH}/me").status_code == 401)
    assert code_of(alice.http.delete(f"{KEYS}/{key['key_id']}")) == (404, "api_key_not_found")
    assert alice.http.get(KEYS).json() == {"api_keys": []}


def test_a_key_that_is_over_is_none_any_more(alice: Someone, servers: list[str], database: str) -> None:
    key = make_key(alice, "read", expires_in_days=1)
    assert key["expires_at"] > key["created_at"]
    execute(database, "UPDATE api_keys SET expires_at = now() WHERE id = %s", key["key_id"])
    with using(servers[0], key["key"]) as http:
        assert code_of(http.get(f"{AUTH}/me")) == NOT_VALID
    assert alice.http.get(KEYS).json() == {"api_keys": []}


def test_the_keys_of_who_is_disabled_open_nothing(root: Someone, alice: Someone, servers: list[str]) -> None:
    key = make_key(alice, "read", "tools:read")["key"]
    with using(servers[0], key) as http:
        assert http.get(f"{AUTH}/me").status_code == 200
        root.http.post(f"/api/v1/users/{alice.user['id']}/disable")
        assert code_of(http.get(f"{AUTH}/me")) == NOT_VALID
        assert send(http, NEW, request(NEW, "tools/list")).status_code == 401


def test_a_key_opens_streams_and_sockets_until_it_is_revoked(
    alice: Someone, servers: list[str], model: ModelServer
) -> None:
    hold = Hold()
    model.answers(stream("Half", hold, " of it"))
    key = make_key(alice)
    run = alice.http.post(
        f"/api/{alice.user['user_id']}/chat",
        json={"message": "Hello"},
        headers={"Prefer": "respond-async"},
    ).json()["data"]["run_id"]
    hold.wait()
    path = f"/api/v1/runs/{run}/events"
    with (
        httpx2.Client(base_url=servers[0], timeout=30, trust_env=False) as http,
        http.stream(
            "GET", path, params={"access_token": key["key"]}, headers={"Accept": "text/event-stream"}
        ) as response,
        connect(address(servers[1]), proxy=None, compression=None) as connection,
    ):
        frames = read_sse(response.iter_raw())
        assert next(frames)[1]["type"] == "start"
        talk = Talk(connection)
        talk.say("auth", token=key["key"])
        assert talk.ask("ping")["type"] == "pong"
        alice.http.delete(f"{KEYS}/{key['key_id']}")
        assert "done" not in [frame["type"] for _, frame in frames]
        code, heard = closing(talk)
    assert (code, heard[-1]["code"]) == (4401, "invalid_token")
    hold.open()


def test_over_a_socket_too_a_key_is_for_its_scopes(alice: Someone, servers: list[str]) -> None:
    with connect(address(servers[0]), proxy=None, compression=None) as connection:
        talk = Talk(connection)
        talk.say("auth", token=make_key(alice, "read")["key"])
        assert talk.ask("subscribe", scope="user")["type"] == "subscribed"
        assert talk.ask("chat", message="Hello")["code"] == "missing_scope"
        assert talk.ask("ping")["type"] == "pong"


def test_people_of_another_issuer_have_keys_too(
    servers: list[str], person: MakePerson, model: ModelServer
) -> None:
    bob = person(servers[0])
    with using(servers[1], make_key(bob)["key"]) as http:
        assert http.post(f"/api/{bob.name}/chat", json={"message": "Hello"}).status_code == 200
    refused = bob.http.post(KEYS, json={"name": "x", "scopes": ["admin"]})
    assert code_of(refused) == (403, "admin_only")


def test_the_keys_of_others_are_not_there(alice: Someone, root: Someone) -> None:
    key = make_key(alice)["key_id"]
    assert code_of(root.http.delete(f"{KEYS}/{key}")) == (404, "api_key_not_found")
    assert key not in root.http.get(KEYS).text


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "x" * 256},
        {"name": "a\nb"},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["everything"]},
        {"name": "x", "expires_in_days": 0},
        {"name": "x", "expires_in_days": 10_000},
        {"name": "x", "key": "tl_mine"},
    ],
)
def test_a_key_that_makes_no_sense_is_refused(alice: Someone, body: dict[str, Any]) -> None:
    assert code_of(alice.http.post(KEYS, json=body)) == (422, "invalid_request")


def test_there_is_an_end_to_keys(alice: Someone) -> None:
    last = [make_key(alice) for _ in range(50)][-1]
    assert code_of(alice.http.post(KEYS, json={"name": "x"})) == (409, "too_many_api_keys")
    alice.http.delete(f"{KEYS}/{last['key_id']}")
    make_key(alice)


def test_what_is_no_key_opens_nothing(alice: Someone, servers: list[str]) -> None:
    key = make_key(alice)["key"]
    wrong = ["tl_", "tl_x", key[:-1], key + "A", key.swapcase(), key.upper(), "tl_" + "A" * 43, key + "="]
    wrong += [key.replace("tl_", "tlr_"), f"tl_{'ä'.encode().hex()}", f"tl_{'A' * 42}%"]
    for word in wrong:
        with using(servers[0], word) as http:
            assert code_of(http.get(f"{AUTH}/me")) == NOT_VALID, word
