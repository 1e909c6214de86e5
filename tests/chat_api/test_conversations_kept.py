"""Conversations are made, listed, named, archived, deleted, restored and erased."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.chat_api.conftest import MakePerson
from tests.chat_api.replica import Gate, execute, in_thread
from tests.model_server import ModelServer, say
from tests.servers import Person

PATH = "/api/v1/conversations"


def listed(person: Person, **query: Any) -> list[dict[str, Any]]:
    response = person.http.get(PATH, params=query)
    assert response.status_code == 200, response.text
    return response.json()["conversations"]


def ids_of(person: Person, **query: Any) -> list[str]:
    return [each["conversation_id"] for each in listed(person, **query)]


def pages(person: Person, between: Callable[[], object] = lambda: None, **query: Any) -> Iterator[list[str]]:
    cursor: dict[str, str] = {}
    while True:
        page = person.http.get(PATH, params=query | cursor).json()
        yield [each["conversation_id"] for each in page["conversations"]]
        if page["next_cursor"] is None:
            return
        cursor = {"cursor": page["next_cursor"]}
        between()


def made(person: Person, **body: Any) -> dict[str, Any]:
    response = person.http.post(PATH, json=body)
    assert response.status_code == 201, response.text
    return response.json()


def one(person: Person, id_: str) -> dict[str, Any]:
    response = person.http.get(f"{PATH}/{id_}")
    assert response.status_code == 200, response.text
    return response.json()


def test_a_conversation_that_was_made_is_gone_into_by_turns(alice: Person, model: ModelServer) -> None:
    empty = made(alice, metadata={"color": "blue"})
    assert (empty["title"], empty["message_count"], empty["last_message"]) == (None, 0, None)
    assert (empty["status"], empty["agent_id"], empty["metadata"]) == ("active", None, {"color": "blue"})
    model.answers(say("A fine day."))
    data = alice.say("How is the weather?", empty["conversation_id"])
    assert data["conversation_id"] == empty["conversation_id"]
    assert [message["role"] for message in model.requests[0]["messages"]] == ["system", "user"]
    after = one(alice, empty["conversation_id"])
    assert (after["title"], after["message_count"]) == ("How is the weather?", 2)
    assert (after["last_message"]["role"], after["last_message"]["preview"]) == ("assistant", "A fine day.")
    assert after["updated_at"] > empty["updated_at"]


def test_a_title_that_is_given_stays(alice: Person) -> None:
    conversation = made(alice, title="Mine")["conversation_id"]
    alice.say("Something else", conversation)
    assert one(alice, conversation)["title"] == "Mine"
    other = alice.say("Hello")["conversation_id"]
    before = one(alice, other)
    changed = alice.http.patch(f"{PATH}/{other}", json={"title": "Ours", "metadata": {"a": [1]}})
    assert changed.json() == before | {"title": "Ours", "metadata": {"a": [1]}}
    alice.say("More", other)
    assert one(alice, other)["title"] == "Ours"


def test_it_is_made_with_an_agent_of_ones_own_only(alice: Person, person: MakePerson) -> None:
    agent = {"name": "Mine", "system_prompt": "You are mine."}
    agent_id = alice.http.post("/api/v1/agents", json=agent).json()["agent_id"]
    assert made(alice, agent_id=agent_id)["agent_id"] == agent_id
    for refused in (agent_id, str(uuid4())):
        response = person().http.post(PATH, json={"agent_id": refused})
        assert (response.status_code, response.json()["error"]["code"]) == (404, "agent_not_found")
    alice.say("Hello")
    assert len(ids_of(alice, agent_id=agent_id)) == 1
    assert len(ids_of(alice, agent_id="default")) == 1


def test_what_is_archived_or_deleted_has_lists_of_its_own(alice: Person) -> None:
    first, second, third = (alice.say(f"{number}")["conversation_id"] for number in range(3))
    assert ids_of(alice) == [third, second, first]
    assert alice.http.post(f"{PATH}/{first}/archive").json()["status"] == "archived"
    assert alice.http.post(f"{PATH}/{first}/archive").json()["archived_at"]
    assert alice.http.delete(f"{PATH}/{second}").json()["message"] == "Conversation deleted successfully"
    assert (ids_of(alice), ids_of(alice, status="archived"), ids_of(alice, status="deleted")) == (
        [third],
        [first],
        [second],
    )
    assert alice.http.post(f"{PATH}/{first}/unarchive").json()["status"] == "active"
    assert alice.http.patch(f"{PATH}/{first}", json={"archived": True}).json()["status"] == "archived"
    assert alice.http.patch(f"{PATH}/{first}", json={"archived": False}).json()["status"] == "active"
    assert alice.http.post(f"{PATH}/{second}/restore").json()["status"] == "active"
    # None of that is a turn.
    assert ids_of(alice) == [third, second, first]


def test_a_deleted_conversation_does_not_exist_until_it_is_restored(
    alice: Person, model: ModelServer
) -> None:
    data = alice.say("Secret")
    id_ = data["conversation_id"]
    [_, answer] = alice.messages(id_)
    alice.http.delete(f"{PATH}/{id_}")
    model.requests.clear()
    http = alice.http
    refused = [
        alice.post("More", id_),
        http.get(f"{PATH}/{id_}"),
        http.patch(f"{PATH}/{id_}", json={"title": "Mine"}),
        http.post(f"{PATH}/{id_}/archive"),
        http.delete(f"{PATH}/{id_}"),
        http.get(f"{PATH}/{id_}/messages"),
        http.get(f"{PATH}/{id_}/messages/{answer['id']}"),
        http.put(f"{PATH}/{id_}/messages/{answer['id']}/feedback", json={"rating": "up"}),
        http.get(f"/api/v1/agents/default/threads/{id_}"),
    ]
    assert [response.status_code for response in refused] == [404] * len(refused)
    assert http.get(f"{PATH}/search", params={"q": "secret"}).json()["messages"] == []
    assert model.requests == []
    assert http.post(f"{PATH}/{id_}/restore").status_code == 200
    assert len(alice.messages(id_)) == 2
    assert alice.say("More", id_)["conversation_id"] == id_


def test_of_what_is_deleted_for_good_nothing_is_left(alice: Person, api_database: str) -> None:
    data = alice.say("Secret")
    id_ = data["conversation_id"]
    other = alice.say("Kept")["conversation_id"]
    assert alice.http.delete(f"{PATH}/{id_}").status_code == 200
    assert alice.http.delete(f"{PATH}/{id_}", params={"hard_delete": True}).status_code == 200
    assert alice.http.post(f"{PATH}/{id_}/restore").status_code == 404
    assert alice.http.get(f"/api/v1/runs/{data['run_id']}").status_code == 404
    for table, column in (("messages", "conversation_id"), ("runs", "conversation_id"), ("events", "run_id")):
        gone = data["run_id"] if column == "run_id" else id_
        assert execute(api_database, f"SELECT 1 FROM {table} WHERE {column} = %s", gone) == []
    assert ids_of(alice) == [other]


def test_a_turn_under_way_ends_and_writes_nothing_more(
    alice: Person, model: ModelServer, api_database: str
) -> None:
    gate = Gate()
    model.answers(gate.before(say("Too late.")))
    id_ = made(alice)["conversation_id"]
    with in_thread(lambda: alice.post("Wait for it", id_)) as turn:
        gate.wait()
        assert alice.http.delete(f"{PATH}/{id_}", params={"hard_delete": True}).status_code == 200
        assert turn.result().json()["error"]["code"] == "run_cancelled"
        gate.open()
    assert execute(api_database, "SELECT 1 FROM messages WHERE conversation_id = %s", id_) == []
    assert execute(api_database, "SELECT 1 FROM runs WHERE conversation_id = %s", id_) == []


def test_many_are_changed_at_once_and_each_is_told(alice: Person, person: MakePerson) -> None:
    mine = [made(alice, title=f"{number}")["conversation_id"] for number in range(3)]
    other = person()
    theirs = made(other)["conversation_id"]

    def bulk(action: str, ids: list[str]) -> dict[str, bool]:
        response = alice.http.post(f"{PATH}/bulk", json={"action": action, "ids": ids})
        assert response.status_code == 200, response.text
        answer = response.json()
        done = {result["conversation_id"]: result["success"] for result in answer["results"]}
        assert (answer["succeeded"], answer["failed"]) == (
            sum(done.values()),
            len(done) - sum(done.values()),
        )
        return done

    assert bulk("archive", [mine[0], theirs]) == {mine[0]: True, theirs: False}
    assert bulk("delete", [*mine, mine[0]]) == dict.fromkeys(mine, True)
    assert bulk("unarchive", mine) == dict.fromkeys(mine, False)
    assert bulk("restore", mine[:2]) == dict.fromkeys(mine[:2], True)
    assert bulk("hard_delete", [*mine, theirs]) == {**dict.fromkeys(mine, True), theirs: False}
    assert [ids_of(alice, status=status) for status in ("active", "archived", "deleted")] == [[], [], []]
    assert ids_of(other) == [theirs]
    for ids in ([], [str(uuid4())] * 101):
        assert alice.http.post(f"{PATH}/bulk", json={"action": "delete", "ids": ids}).status_code == 422


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("column", ["updated_at", "created_at", "title"])
def test_a_list_is_in_its_order_whatever_its_pages(alice: Person, column: str, sign: str) -> None:
    sort = f"{sign}{column}"
    made_ids = [made(alice, title=title)["conversation_id"] for title in ("b", "d", "a", "e", "c")]
    alice.say("Again", made_ids[1])
    by_column = {
        "updated_at": [made_ids[number] for number in (0, 2, 3, 4, 1)],
        "created_at": made_ids,
        "title": [made_ids[number] for number in (2, 0, 4, 1, 3)],
    }
    expected = by_column[column][:: -1 if sign else 1]
    assert ids_of(alice, sort=sort) == expected
    for limit in (1, 2, 5):
        found = list(pages(alice, sort=sort, limit=limit))
        assert [id_ for page in found for id_ in page] == expected
        assert all(found)


def test_dates_and_a_total_narrow_the_list(alice: Person) -> None:
    first, second, third = (made(alice) for _ in range(3))
    between = {"since": second["updated_at"], "until": third["updated_at"]}
    assert ids_of(alice, **between) == [second["conversation_id"]]
    answer = alice.http.get(PATH, params={"limit": 1, "total": True}).json()
    assert (len(answer["conversations"]), answer["total"]) == (1, 3)
    assert "total" not in answer or alice.http.get(PATH).json()["total"] is None
    assert first["conversation_id"] not in ids_of(alice, since=second["updated_at"])


@pytest.mark.parametrize("age", ["just now", "long ago"])
@pytest.mark.parametrize("sort", ["updated_at", "-updated_at", "created_at", "-created_at"])
def test_no_item_comes_twice_and_none_is_left_out_while_others_write(
    alice: Person, model: ModelServer, api_database: str, sort: str, age: str
) -> None:
    there = [made(alice)["conversation_id"] for _ in range(9)]
    if age == "long ago":
        ago = "updated_at = updated_at - interval '1 day', created_at = created_at - interval '1 day'"
        execute(api_database, f"UPDATE conversations SET {ago} WHERE id = ANY(%s)", there)
    turns = iter([there[0], there[8], there[4], there[1], there[7], there[3]] * 9)

    def write() -> None:
        for _ in range(2):
            alice.say("Meanwhile", next(turns))
        made(alice)

    seen = [id_ for page in pages(alice, write, sort=sort, limit=2) for id_ in page]
    assert len(seen) == len(set(seen))
    assert set(there) <= set(seen)
    if sort.endswith("updated_at"):
        # The control: their order has changed under the reader.
        assert [id_ for id_ in ids_of(alice, sort=sort, limit=100) if id_ in there] != [
            id_ for id_ in seen if id_ in there
        ]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 101},
        {"status": "lost"},
        {"sort": "color"},
        {"agent_id": "x"},
        {"since": "yesterday"},
        {"since": "2026-01-01T00:00:00"},
        {"cursor": "x"},
        {"cursor": "e30"},
        {"cursor": "é"},
        {"cursor": "x" * 9000},
    ],
)
def test_a_list_that_cannot_be_is_refused(alice: Person, query: dict[str, Any]) -> None:
    response = alice.http.get(PATH, params=query)
    assert response.status_code == 422, response.text


def test_a_cursor_is_good_for_its_own_list_only(alice: Person) -> None:
    for _ in range(3):
        made(alice, title="x")
    cursors = [
        alice.http.get(PATH, params={"limit": 1, "sort": sort}).json()["next_cursor"]
        for sort in ("updated_at", "created_at", "title")
    ]
    for sort, cursor in zip(("-updated_at", "title", "created_at"), cursors, strict=True):
        response = alice.http.get(PATH, params={"limit": 1, "sort": sort, "cursor": cursor})
        assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid_cursor")


@pytest.mark.parametrize(
    "body",
    [
        {"title": ""},
        {"title": "  "},
        {"title": "x" * 256},
        {"title": "\x00"},
        {"metadata": {"a": "\x00"}},
        {"metadata": {"a": "x" * 17_000}},
        {"metadata": []},
        {"agent_id": "mine"},
        {"color": "blue"},
    ],
)
def test_what_cannot_be_kept_is_refused(alice: Person, body: dict[str, Any]) -> None:
    assert alice.http.post(PATH, json=body).status_code == 422
    id_ = made(alice)["conversation_id"]
    assert alice.http.patch(f"{PATH}/{id_}", json=body).status_code == 422
