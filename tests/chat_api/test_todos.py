"""A user's todos over HTTP: the same list that the assistant keeps."""

from typing import Any, Final

import httpx2
import pytest

from chat_api.tools import bridge
from tests.chat_api.conftest import MakePerson
from tests.chat_api.processes import free_port
from tests.chat_api.replica import running_api
from tests.model_server import ModelServer, call, say
from tests.servers import Person

TODOS: Final = "/api/v1/todos"


def add(person: Person, title: str, **more: Any) -> dict[str, Any]:
    response = person.http.post(TODOS, json={"title": title, **more})
    assert response.status_code == 201, response.text
    return response.json()


def titles(person: Person, **query: Any) -> list[str]:
    response = person.http.get(TODOS, params=query)
    assert response.status_code == 200, response.text
    return [todo["title"] for todo in response.json()["todos"]]


def refusal(response: httpx2.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def test_a_todo_is_added_read_changed_and_deleted(alice: Person) -> None:
    due = {"due": "2027-01-02", "notes": "The long one"}
    response = alice.http.post(TODOS, json={"title": " Run ", "tags": [" Sport "], **due})
    added = response.json()
    assert response.headers["Location"] == f"{TODOS}/{added['id']}"
    assert added == {
        "id": added["id"],
        "title": "Run",
        "status": "open",
        "priority": "normal",
        "due": "2027-01-02T23:59:00+01:00",
        "tags": ["sport"],
        "notes": "The long one",
    }
    one = response.headers["Location"]
    assert alice.http.get(one).json() == added
    changed = alice.http.patch(one, json={"due": None, "notes": None, "priority": "high", "title": "Walk"})
    assert changed.json() == {**added, "due": None, "notes": None, "priority": "high", "title": "Walk"}
    again = alice.http.patch(one, json={"due": "tomorrow at 9"}).json()
    assert "T09:00:00" in again["due"]
    assert alice.http.patch(one, json={"due": ""}).json() == changed.json()
    assert alice.http.patch(one, json={}).json() == changed.json()
    assert alice.http.delete(one).status_code == 204
    assert [refusal(ask(one)) for ask in (alice.http.get, alice.http.delete)] == [(404, "todo_not_found")] * 2


def test_what_is_done_is_opened_again(alice: Person) -> None:
    one = f"{TODOS}/{add(alice, 'Run')['id']}"
    assert alice.http.patch(one, json={"status": "done"}).json()["status"] == "done"
    assert (titles(alice), titles(alice, status="done")) == ([], ["Run"])
    assert alice.http.patch(one, json={"status": "open"}).json()["status"] == "open"
    assert (titles(alice), titles(alice, status="done")) == (["Run"], [])


def test_todos_are_filtered_and_come_in_pages(alice: Person) -> None:
    for number in range(5):
        add(alice, f"Todo {number}", tags=["odd" if number % 2 else "even"])
    add(alice, "100% sure", due="2027-05-01")
    assert titles(alice, tag="ODD") == ["Todo 1", "Todo 3"]
    assert titles(alice, query="0% S") == titles(alice, due_before="2027-05-02") == ["100% sure"]
    first = alice.http.get(TODOS, params={"limit": 4}).json()
    # One that is added meanwhile comes at the end.
    add(alice, "Late")
    assert titles(alice, limit=4, cursor=first["next_cursor"]) == ["Todo 4", "100% sure", "Late"]


def test_what_the_chat_adds_is_here_and_what_is_added_here_the_chat_sees(
    person: MakePerson, model: ModelServer
) -> None:
    alice, bob = person(), person()
    model.answers(call("add_todo", title="Buy milk"), say("Noted."))
    alice.say("Remind me of milk.")
    add(alice, "Call Ann")
    assert (titles(alice), titles(bob)) == (["Buy milk", "Call Ann"], [])
    milk = alice.http.get(TODOS, params={"query": "milk"}).json()["todos"][0]
    alice.http.patch(f"{TODOS}/{milk['id']}", json={"status": "done"})
    model.answers(call("list_todos", status="all"), say("That is all."))
    seen = alice.say("What is there to do?")["tool_calls"][0]["result"]["todos"]
    assert [(todo["title"], todo["status"]) for todo in seen] == [("Buy milk", "done"), ("Call Ann", "open")]


def test_a_retry_with_its_key_adds_nothing(person: MakePerson) -> None:
    alice, bob = person(), person()
    key = {"Idempotency-Key": "k" * 255}
    body = {"title": "Run", "due": "in 3 hours"}
    first, again = (alice.http.post(TODOS, json=body, headers=key) for _ in range(2))
    assert first.status_code == again.status_code == 201
    assert (first.json(), first.headers["Location"]) == (again.json(), again.headers["Location"])
    other = alice.http.post(TODOS, json={"title": "Walk"}, headers=key)
    assert refusal(other) == (409, "idempotency_key_reused")
    assert bob.http.post(TODOS, json={"title": "Walk"}, headers=key).status_code == 201
    assert (titles(alice), titles(bob)) == (["Run"], ["Walk"])
    # The control: without the key they are two.
    for _ in range(2):
        add(alice, "Swim")
    assert titles(alice, query="swim") == ["Swim", "Swim"]


def test_nobody_reaches_what_is_somebody_elses_nor_anything_by_its_title(person: MakePerson) -> None:
    alice, mallory = person(), person()
    todo = add(alice, "Secret")
    for who, name in ((mallory, todo["id"]), (alice, "Secret"), (alice, todo["id"].replace("-", ""))):
        one = f"{TODOS}/{name}"
        answers = [
            who.http.get(one),
            who.http.patch(one, json={"status": "done"}),
            who.http.delete(one),
        ]
        assert [refusal(answer) for answer in answers] == [(404, "todo_not_found")] * 3
    assert alice.http.get(f"{TODOS}/{todo['id'].upper()}").json() == todo


def test_times_are_those_of_the_users_zone_or_of_the_one_that_is_named(person: MakePerson) -> None:
    tokyo = person(zoneinfo="Asia/Tokyo")
    one = f"{TODOS}/{add(tokyo, 'Call', due='2027-01-02 09:00')['id']}"
    assert tokyo.http.get(one).json()["due"] == "2027-01-02T09:00:00+09:00"
    elsewhere = tokyo.http.get(one, params={"timezone": "America/New_York"})
    assert elsewhere.json()["due"] == "2027-01-01T19:00:00-05:00"
    moved = tokyo.http.patch(one, params={"timezone": "UTC"}, json={"due": "2027-01-02 09:00"})
    assert moved.json()["due"] == "2027-01-02T09:00:00Z"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"title": "Run", "due": "soonish"}, "not_a_time"),
        ({"title": "Run", "due": "9999-12-31T23:59-12:00"}, "not_a_time"),
        ({"title": "  "}, "invalid_request"),
        ({"title": "a\x00b"}, "invalid_request"),
        ({"title": "Run", "tags": [" "]}, "invalid_request"),
        ({"title": "Run", "colour": "red"}, "invalid_request"),
    ],
)
def test_what_cannot_be_a_todo_is_refused(alice: Person, body: dict[str, Any], code: str) -> None:
    assert refusal(alice.http.post(TODOS, json=body)) == (422, code)
    assert titles(alice, status="all") == []


@pytest.mark.parametrize(
    "query",
    [
        {"due_before": "soonish"},
        {"cursor": "x"},
        {"limit": 101},
        {"tag": "\x00"},
        {"timezone": "../etc"},
        {"timezone": "Europe"},
        {"timezone": "Factory", "due_before": "tomorrow"},
    ],
)
def test_what_cannot_be_looked_for_is_refused(alice: Person, query: dict[str, Any]) -> None:
    assert alice.http.get(TODOS, params=query).status_code == 422


def test_a_tool_server_elsewhere_has_them_and_is_missed_while_it_is_away(
    api: str, api_database: str, model: ModelServer, person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge, "ASK_PATIENCE", 0.1)
    nowhere = f"http://127.0.0.1:{free_port()}/mcp"
    with (
        running_api(api_database, model.url, mcp_url=f"{api}/mcp") as url,
        running_api(api_database, model.url, mcp_url=nowhere) as alone,
    ):
        alice = person(url)
        todo = add(alice, "Run", due="2027-01-02")
        one = f"{TODOS}/{todo['id']}"
        assert alice.http.get(one).json() == todo
        # The same person, at a replica with the tool server in it.
        assert titles(person(name=alice.name)) == ["Run"]
        assert refusal(alice.http.patch(one, json={"due": "soonish"})) == (422, "not_a_time")
        assert alice.http.delete(one).status_code == 204
        assert refusal(alice.http.get(one)) == (404, "todo_not_found")
        bob = person(alone)
        away = bob.http.post(TODOS, json={"title": "Walk"})
        assert refusal(away) == refusal(bob.http.get(one)) == (503, "todos_unavailable")
        assert away.headers["Retry-After"] == "1"
