"""Who may speak as whom: the tokens that the API refuses, and what it takes from those it accepts."""

import asyncio
import time
from collections.abc import Generator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from kit.postgres import open_db
from kit.tokens import KeyRing, load_keys, mint
from tests.chat_api.conftest import MakePerson
from tests.chat_api.forgeries import forgeries, genuine
from tests.chat_api.replica import execute, running_api
from tests.model_server import ModelServer, call, say
from tests.servers import Person, token_for

VICTIM = "victim"


@pytest.fixture(scope="module")
def keys(api: str, api_database: str) -> KeyRing:
    async def load() -> KeyRing:
        async with open_db(api_database) as db:
            return await load_keys(db)

    return asyncio.run(load())


@pytest.fixture
def http(api: str) -> Generator[httpx2.Client]:
    with httpx2.Client(base_url=api, trust_env=False, timeout=30) as client:
        yield client


def chat(http: httpx2.Client, authorization: str | None, path: str = VICTIM) -> httpx2.Response:
    headers = {} if authorization is None else {"Authorization": authorization}
    return http.post(f"/api/{path}/chat", json={"message": "Hello"}, headers=headers)


def faults_of(response: httpx2.Response, status: int) -> list[str]:
    """What is wrong with a refusal."""
    body: dict[str, Any] = (
        response.json() if response.headers.get("content-type") == "application/json" else {}
    )
    error: dict[str, Any] = body.get("error", {})
    checks: dict[str, bool] = {
        f"status {response.status_code}": response.status_code == status,
        "no envelope": body.keys() == {"success", "data", "message", "error"} and body["success"] is False,
        "no WWW-Authenticate": status != 401
        or response.headers.get("WWW-Authenticate", "").startswith("Bearer"),
        "no request id": bool(error.get("request_id"))
        and error["request_id"] == response.headers["X-Request-ID"],
        "echo": VICTIM not in response.text,
    }
    return [fault for fault, fine in checks.items() if not fine]


def test_every_forgery_is_refused(http: httpx2.Client, keys: KeyRing, model: ModelServer) -> None:
    forged = forgeries(keys, VICTIM, "turnlog", "turnlog-mcp")
    assert len(forged) > 250
    wrong = {name: faults_of(chat(http, f"Bearer {token}"), 401) for name, token in forged.items()}
    assert {name: faults for name, faults in wrong.items() if faults} == {}
    assert model.requests == []


def test_the_tokens_that_the_forgeries_start_from_are_accepted(http: httpx2.Client, keys: KeyRing) -> None:
    for mint_ in genuine(keys, VICTIM, "turnlog").values():
        for claims in ({}, {"aud": ["other", "turnlog"]}, {"exp": 10**400}, {"nbf": 0}, {"jti": "x"}):
            assert chat(http, f"Bearer {mint_.token(claims=claims)}").status_code == 200, claims


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Basic {}", "{}", "Token {}", "Bearer: {}"])
def test_without_a_bearer_token_nobody_is_signed_in(http: httpx2.Client, authorization: str | None) -> None:
    given = authorization and authorization.format(token_for(VICTIM))
    assert faults_of(chat(http, given), 401) == []


def test_a_token_elsewhere_than_in_its_header_is_no_token(http: httpx2.Client) -> None:
    token = token_for(VICTIM)
    body = {"message": "Hello"}
    path = f"/api/{VICTIM}/chat"
    tries = [
        http.post(path, json=body, params={"access_token": token, "token": token}),
        http.post(path, json=body, headers={"Cookie": f"access_token={token}; Authorization=Bearer {token}"}),
        http.post(path, data={"access_token": token}),
    ]
    assert [response.status_code for response in tries] == [401, 401, 401]


@pytest.mark.parametrize(
    "path", ["other", "VICTIM", "victim%20", "%20victim", "victim%00", "victi", "victim%C4%B1", "*"]
)
def test_the_path_of_somebody_else_is_forbidden(
    http: httpx2.Client, model: ModelServer, api_database: str, path: str
) -> None:
    before = execute(api_database, "SELECT count(*) FROM messages")
    response = chat(http, f"Bearer {token_for(VICTIM)}", path)
    assert (faults_of(response, 403), response.json()["error"]["code"]) == ([], "forbidden")
    assert model.requests == []
    assert execute(api_database, "SELECT count(*) FROM messages") == before


@pytest.mark.parametrize(
    "subject",
    ["auth0|64f", "a@b.example", "Größe", "a b", "x" * 255, "100%", "a+b", "a%2Bb", "a?b#c"],
)
def test_whatever_an_issuer_calls_people_is_a_path(api: str, person: MakePerson, subject: str) -> None:
    alice = person(api, subject)
    response = alice.http.post(f"/api/{quote(subject, safe='')}/chat", json={"message": "Hello"})
    assert response.status_code == 200, response.text


def test_a_sub_id_is_believed_of_the_built_in_issuer_alone(
    api_database: str, model: ModelServer, person: MakePerson, keys: KeyRing
) -> None:
    issuer = "https://issuer.example"
    with running_api(api_database, model.url, jwt_issuer=issuer) as url:
        alice = person(url, iss=issuer)
        conversation_id = alice.say("Secret")["conversation_id"]
        claims = {"sub_id": {"format": "iss_sub", "iss": issuer, "sub": alice.name}}
        mallory = person(url, "mallory", iss=issuer, **claims)
        assert mallory.http.get(f"/api/v1/conversations/{conversation_id}/messages").status_code == 404
        assert mallory.post("Hello", conversation_id).status_code == 404
        ours = mint(
            keys, subject="anybody", audience="turnlog", lifetime=timedelta(seconds=60), claims=claims
        )
        mallory.http.headers["Authorization"] = f"Bearer {ours}"
        assert mallory.messages(conversation_id) == alice.messages(conversation_id)


@pytest.mark.parametrize(
    "odd", [{}, [], "x", {"format": "email"}, {"format": "iss_sub", "iss": 1, "sub": "a"}]
)
def test_a_sub_id_that_says_nothing_changes_nothing(
    api: str, person: MakePerson, keys: KeyRing, odd: Any
) -> None:
    alice = person()
    ours = mint(
        keys,
        subject=alice.name,
        audience="turnlog",
        lifetime=timedelta(seconds=60),
        claims={"sub_id": odd},
    )
    alice.http.headers["Authorization"] = f"Bearer {ours}"
    assert alice.say("Hello")["response"] == "Hello."


@pytest.mark.parametrize(
    "zone",
    ["Europe", "Nowhere/Land", "../../etc/passwd", "/etc/passwd", "x" * 5000, "a\x00b", "\ud800", "", 17, []],
)
def test_a_time_zone_that_is_none_is_passed_over(model: ModelServer, person: MakePerson, zone: Any) -> None:
    model.answers(call("add_todo", title="Milk", due="2027-01-02 17:00"), say("Noted."))
    [made] = person(zoneinfo=zone).say("Remind me")["tool_calls"]
    assert made["result"]["due"] == "2027-01-02T17:00:00+01:00"


def test_the_time_zone_of_the_token_is_the_users(model: ModelServer, person: MakePerson) -> None:
    model.answers(call("add_todo", title="Milk", due="2027-01-02 17:00"), say("Noted."))
    [made] = person(zoneinfo="Asia/Tokyo").say("Remind me")["tool_calls"]
    assert made["result"]["due"] == "2027-01-02T17:00:00+09:00"
    assert "Asia/Tokyo" in model.requests[0]["messages"][0]["content"]


def test_no_token_reaches_the_model(alice: Person, model: ModelServer) -> None:
    model.answers(call("list_todos"), say("None."))
    alice.say("What is there to do?")
    token = alice.http.headers["Authorization"].removeprefix("Bearer ")
    assert token not in str(model.requests)
    assert "eyJ" not in str(model.requests)


def test_a_token_that_was_accepted_is_refused_once_it_has_expired(http: httpx2.Client) -> None:
    # Five seconds are forgiven, for clocks that differ.
    token = token_for(VICTIM, exp=int(time.time()) - 3)
    statuses = [me(http, token)]
    while statuses[-1] == 200 and len(statuses) < 10_000:
        statuses.append(me(http, token))
    assert (statuses[0], statuses[-1]) == (200, 401)
    assert [me(http, token) for _ in range(3)] == [401] * 3


def test_a_token_that_was_accepted_vouches_for_no_other(http: httpx2.Client) -> None:
    token = token_for(VICTIM)
    assert me(http, token) == 200
    changed = [token[:-2] + end for end in ("AA", "BA", "==")] + [token + "A", token.swapcase(), f"{token}."]
    assert [me(http, other) for other in changed] == [401] * len(changed)


def me(http: httpx2.Client, token: str) -> int:
    return http.get("/api/v1/runs", headers={"Authorization": f"Bearer {token}"}).status_code
