"""Another answer to what was said before: a turn like any other, at a place that is there already."""

from typing import Any

import httpx2
import pytest
from starlette.responses import Response

from tests.chat_api.branches import echo, said_to, talk, turn
from tests.chat_api.conftest import MakePerson
from tests.chat_api.processes import replica_process
from tests.chat_api.replica import Gate, execute, expire_leases, in_thread
from tests.chat_api.streams import NDJSON, SSE, hear
from tests.chat_api.test_busy import messages_when
from tests.chat_api.test_takeovers import follow
from tests.model_server import Hold, ModelServer, call, say, stream
from tests.servers import Person

REFUSED = Response("No.", 400)


def again(person: Person, conversation: str, message_id: str, **how: Any) -> httpx2.Response:
    """Ask for another answer; `headers` and fields of the body."""
    headers = how.pop("headers", {})
    path = f"/api/v1/conversations/{conversation}/messages/{message_id}/regenerate"
    return person.http.post(path, json=how, headers=headers)


def contents(person: Person, conversation: str) -> list[str]:
    return [message["content"] for message in person.messages(conversation)]


@pytest.mark.parametrize("named", [2, 3], ids=["the message", "its answer"])
def test_another_answer_stands_beside_the_first(alice: Person, model: ModelServer, named: int) -> None:
    conversation = talk(alice, model, "One", "Two", "Three")
    messages = alice.messages(conversation)
    model.answers(say("Anew."), echo)
    made = turn(alice, conversation, messages[named]["id"], "regenerate")
    assert made["response"] == "Anew."
    assert said_to(model) == ["One", "To One.", "Two"]
    after = alice.messages(conversation)
    assert [message["content"] for message in after[6:]] == ["Anew."]
    assert (after[6]["id"], after[6]["parent_id"]) == (made["message_id"], messages[2]["id"])
    assert after[6]["siblings"] == [messages[3]["id"], after[6]["id"]]
    alice.say("Four", conversation)
    assert said_to(model) == ["One", "To One.", "Two", "Anew.", "Four"]


def test_the_agent_that_answered_answers_again_unless_another_is_named(
    alice: Person, model: ModelServer
) -> None:
    made = alice.http.post("/api/v1/agents", json={"name": "Poet", "system_prompt": "You rhyme."}).json()
    body = {"message": "One", "agent_id": made["agent_id"]}
    conversation = alice.http.post(f"/api/{alice.name}/chat", json=body).json()["data"]["conversation_id"]
    answer = alice.messages(conversation)[1]["id"]
    turn(alice, conversation, answer, "regenerate")
    assert model.requests[-1]["messages"][0]["content"].startswith("You rhyme.")
    copied = alice.http.post(f"/api/v1/conversations/{conversation}/fork", json={}).json()["conversation_id"]
    turn(alice, copied, alice.messages(copied)[1]["id"], "regenerate")
    assert model.requests[-1]["messages"][0]["content"].startswith("You rhyme.")
    turn(alice, conversation, answer, "regenerate", agent_id="default", temperature=0.25)
    assert model.requests[-1]["temperature"] == 0.25
    assert model.requests[-1]["messages"][0]["content"].startswith("You are Turnlog")


def test_another_answer_comes_in_every_form(alice: Person, model: ModelServer) -> None:
    conversation = talk(alice, model, "One")
    asked = alice.messages(conversation)[0]["id"]
    path = f"/api/v1/conversations/{conversation}/messages/{asked}/regenerate"
    for accept in (SSE, NDJSON):
        with alice.http.stream("POST", path, json={}, headers={"Accept": accept}) as response:
            heard = hear(response)
        assert (heard.text, heard.frames[-1]["type"]) == ("To One.", "done")
        assert heard.frames[0]["user_message_id"] is None
        kept = heard.frames[-1]["message_id"]
        assert kept == alice.messages(conversation)[-1]["id"]
    accepted = again(alice, conversation, asked, headers={"Prefer": "respond-async"})
    assert accepted.status_code == 202
    with follow(alice, accepted.json()["data"]["run_id"]) as response:
        assert hear(response).text == "To One."


def test_the_same_key_is_the_same_answer(alice: Person, model: ModelServer) -> None:
    conversation = talk(alice, model, "One", "Two")
    first, _, second, _ = [message["id"] for message in alice.messages(conversation)]
    key = {"headers": {"Idempotency-Key": f"again-{alice.name}"}}
    answers = [again(alice, conversation, first, **key).json()["data"] for _ in range(2)]
    assert len({(answer["run_id"], answer["message_id"]) for answer in answers}) == 1
    assert len(alice.messages(conversation)) == 5
    for refused in (
        again(alice, conversation, second, **key),
        again(alice, conversation, first, agent_id="default", **key),
    ):
        assert refused.json()["error"]["code"] == "idempotency_key_reused"


def test_answers_that_are_asked_for_at_once_come_one_after_another(alice: Person, model: ModelServer) -> None:
    conversation = talk(alice, model, "One")
    asked = alice.messages(conversation)[0]["id"]
    gate = Gate()
    model.answers(gate.before(say("Second.")), say("Third."), say("Fourth."), echo)
    with in_thread(lambda: again(alice, conversation, asked)) as second:
        gate.wait()
        assert again(alice, conversation, asked).json()["error"]["code"] == "conversation_busy"
        later = {"if_busy": "enqueue", "headers": {"Prefer": "respond-async"}}
        assert again(alice, conversation, asked, **later).status_code == 202
        assert again(alice, conversation, asked, **later).status_code == 202
        gate.open()
        assert second.result().status_code == 200
    messages_when(alice, conversation, 5)
    assert contents(alice, conversation)[1:] == ["To One.", "Second.", "Third.", "Fourth."]
    alice.say("Two", conversation)
    assert said_to(model) == ["One", "Fourth.", "Two"]


def test_what_follows_an_answer_that_never_came_follows_its_message(
    alice: Person, model: ModelServer
) -> None:
    conversation = talk(alice, model, "One", "Two")
    asked = alice.messages(conversation)[0]["id"]
    model.script = lambda _: REFUSED
    assert again(alice, conversation, asked).status_code == 502
    model.script = echo
    alice.say("Three", conversation)
    assert said_to(model) == ["One", "(There was no answer.)", "Three"]
    failed = alice.messages(conversation)[4]
    assert (failed["content"], failed["status"], failed["parent_id"]) == ("", "failed", asked)


def test_what_follows_an_answer_that_was_cancelled_in_line_follows_its_message(
    alice: Person, model: ModelServer
) -> None:
    conversation = talk(alice, model, "One", "Two")
    first, _, second, _ = [message["id"] for message in alice.messages(conversation)]
    gate = Gate()
    model.answers(gate.before(say("Anew.")), echo)
    later: dict[str, Any] = {"if_busy": "enqueue", "headers": {"Prefer": "respond-async"}}
    with in_thread(lambda: again(alice, conversation, second)) as running:
        gate.wait()
        queued = again(alice, conversation, first, **later).json()["data"]["run_id"]
        assert alice.http.post(f"/api/v1/runs/{queued}/cancel").json()["status"] == "cancelled"
        with in_thread(
            lambda: alice.http.post(
                f"/api/{alice.name}/chat",
                json={"message": "Three", "conversation_id": conversation, "if_busy": "enqueue"},
            )
        ) as three:
            while execute_count(alice, conversation) < 2:
                pass
            gate.open()
            assert three.result().status_code == 200
        assert running.result().status_code == 200
    assert said_to(model) == ["One", "(There was no answer.)", "Three"]


def execute_count(person: Person, conversation: str) -> int:
    """How many of its runs are not over: to ask is how one learns that one waits."""
    found = person.http.get("/api/v1/runs", params={"conversation_id": conversation, "unfinished": True})
    return len(found.json()["runs"])


def test_an_answer_cannot_be_edited(alice: Person, model: ModelServer) -> None:
    conversation = talk(alice, model, "One")
    answer = alice.messages(conversation)[1]["id"]
    path = f"/api/v1/conversations/{conversation}/messages/{answer}/edit"
    refused = alice.http.post(path, json={"message": "1"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "not_the_users")
    assert contents(alice, conversation) == ["One", "To One."]


def test_another_replica_goes_on_with_the_answer_of_a_killed_one(
    alice: Person, person: MakePerson, model: ModelServer, api_database: str
) -> None:
    conversation = talk(alice, model, "One", "Two", "Three")
    asked = alice.messages(conversation)[2]["id"]
    hold = Hold()
    model.answers(call("add_todo", title="Milk"), stream("Nobody ", hold), stream("Here."), echo)
    with replica_process(api_database, model.url) as (url, process):
        elsewhere = person(url, alice.name)
        with in_thread(lambda: again(elsewhere, conversation, asked)) as lost:
            hold.wait()
            process.kill()
            assert lost.exception() is not None
    expire_leases(api_database)
    anew = messages_when(alice, conversation, 7)[6]
    hold.open()
    assert said_to(model)[:3] == ["One", "To One.", "Two"]
    assert (anew["content"], anew["parent_id"]) == ("Here.", asked)
    assert [made["result"]["title"] for made in anew["tool_calls"]] == ["Milk"]
    milk = "SELECT count(*) FROM todos JOIN users ON users.id = user_id WHERE subject = %s"
    assert execute(api_database, milk, alice.name) == [(1,)]
    assert alice.http.get(f"/api/v1/runs/{anew['run_id']}").json()["attempt"] == 2
    alice.say("Four", conversation)
    assert said_to(model)[:3] == ["One", "To One.", "Two"]
    assert said_to(model)[-2:] == ["Here.", "Four"]
