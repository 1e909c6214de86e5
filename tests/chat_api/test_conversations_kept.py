"""Conversations are made, listed, named, archived, deleted, restored and erased."""

import time
from typing import Any
from uuid import uuid4

import pytest

from tests.chat_api.conftest import MakePerson
from tests.chat_api.keeping import PATH, ids_of, made, one
from tests.chat_api.replica import Gate, execute, in_thread, running_api
from tests.model_server import ModelServer, call, say
from tests.servers import Person


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


def test_of_what_is_deleted_for_good_nothing_is_left(
    alice: Person, model: ModelServer, api_database: str
) -> None:
    model.answers(call("add_todo", title="Secret"), say("Noted."), say("Hello."))
    data = alice.say("Secret")
    id_ = data["conversation_id"]
    effects = "SELECT 1 FROM tool_effects WHERE left(key, 36) = %s"
    assert execute(api_database, effects, data["run_id"])
    other = alice.say("Kept")["conversation_id"]
    assert alice.http.delete(f"{PATH}/{id_}").status_code == 200
    assert alice.http.delete(f"{PATH}/{id_}", params={"hard_delete": True}).status_code == 200
    assert alice.http.post(f"{PATH}/{id_}/restore").status_code == 404
    assert alice.http.get(f"/api/v1/runs/{data['run_id']}").status_code == 404
    for table, column in (("messages", "conversation_id"), ("runs", "conversation_id"), ("events", "run_id")):
        gone = data["run_id"] if column == "run_id" else id_
        assert execute(api_database, f"SELECT 1 FROM {table} WHERE {column} = %s", gone) == []
    assert execute(api_database, effects, data["run_id"]) == []
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


def test_what_was_deleted_long_ago_is_purged(
    alice: Person, model: ModelServer, api_database: str, person: MakePerson
) -> None:
    old, new = (alice.say("Hello")["conversation_id"] for _ in range(2))
    for id_ in (old, new):
        alice.http.delete(f"{PATH}/{id_}")
    ago = "UPDATE conversations SET deleted_at = now() - interval '31 days' WHERE id = %s"
    execute(api_database, ago, old)
    with running_api(api_database, model.url) as url:
        # Another replica does it when it starts.
        bob = person(url)
        deadline = time.monotonic() + 10
        while execute(api_database, "SELECT 1 FROM conversations WHERE id = %s", old):
            assert bob.http.get(PATH).status_code == 200
            assert time.monotonic() < deadline
    assert alice.http.post(f"{PATH}/{old}/restore").status_code == 404
    assert execute(api_database, "SELECT 1 FROM messages WHERE conversation_id = %s", old) == []
    assert alice.http.post(f"{PATH}/{new}/restore").status_code == 200
