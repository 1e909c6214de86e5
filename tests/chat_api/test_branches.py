"""Conversations that branch: what was said stays, and what a model is sent is one way through it."""

import os
from collections.abc import Callable
from typing import Any, cast
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from starlette.responses import Response
from typing_extensions import override

from tests.chat_api.branches import echo, said_to, talk, turn
from tests.chat_api.branching_machine import Branching
from tests.chat_api.conftest import MakePerson
from tests.chat_api.replica import Gate, execute, in_thread
from tests.chat_api.sockets import talking
from tests.model_server import ModelServer, say
from tests.servers import Person


def test_an_edited_message_is_answered_without_what_followed_it(alice: Person, model: ModelServer) -> None:
    conversation = talk(alice, model, "One", "Two", "Three")
    before = alice.messages(conversation)
    assert turn(alice, conversation, before[2]["id"], "edit", message="2")["response"] == "To 2."
    assert said_to(model) == ["One", "To One.", "2"]
    alice.say("Four", conversation)
    assert said_to(model) == ["One", "To One.", "2", "To 2.", "Four"]
    after = alice.messages(conversation)
    assert [message["id"] for message in after[:6]] == [message["id"] for message in before]
    beside = [before[2]["id"], after[6]["id"]]
    assert [message["siblings"] for message in (after[2], after[6])] == [beside, beside]


def ways(person: Person, conversation: str, leaf: str, **more: Any) -> list[str]:
    path = f"/api/v1/conversations/{conversation}/messages"
    found = person.http.get(path, params={"leaf": leaf, **more}).json()["messages"]
    return [message["content"] for message in found]


def test_one_way_through_the_branches_can_be_read(alice: Person, model: ModelServer) -> None:
    conversation = talk(alice, model, "One", "Two", "Three")
    messages = alice.messages(conversation)
    assert ways(alice, conversation, "newest") == [message["content"] for message in messages]
    turn(alice, conversation, messages[3]["id"], "regenerate")
    assert ways(alice, conversation, "newest") == ["One", "To One.", "Two", "To Two."]
    assert ways(alice, conversation, messages[4]["id"]) == ["One", "To One.", "Two", "To Two.", "Three"]
    assert ways(alice, conversation, "newest", order="desc", limit=2) == ["To Two.", "Two"]
    assert ways(alice, conversation, "newest", role="user") == ["One", "Two"]
    onward = ways(alice, conversation, messages[3]["id"], onward=True)
    assert onward == ["One", "To One.", "Two", "To Two.", "Three", "To Three."]
    other = talk(alice, model, "Other")
    path = f"/api/v1/conversations/{other}/messages"
    for more in ({}, {"onward": True}):
        refused = alice.http.get(path, params={"leaf": messages[0]["id"], **more})
        assert refused.json()["error"]["code"] == "message_not_found"


def test_the_first_message_can_be_edited(alice: Person, model: ModelServer) -> None:
    conversation = talk(alice, model, "One", "Two")
    turn(alice, conversation, alice.messages(conversation)[0]["id"], "edit", message="1")
    assert said_to(model) == ["1"]


def chat(person: Person, conversation: str, message: str, parent: str) -> Any:
    body = {"message": message, "conversation_id": conversation, "parent_id": parent}
    return person.http.post(f"/api/{person.name}/chat", json=body)


def test_a_turn_can_follow_any_message(alice: Person, model: ModelServer) -> None:
    conversation = talk(alice, model, "One", "Two", "Three")
    messages = alice.messages(conversation)
    assert chat(alice, conversation, "2b", messages[1]["id"]).status_code == 200
    assert said_to(model) == ["One", "To One.", "2b"]
    assert chat(alice, conversation, "Four", messages[5]["id"]).status_code == 200
    assert said_to(model) == ["One", "To One.", "Two", "To Two.", "Three", "To Three.", "Four"]
    assert chat(alice, conversation, "1b", "root").status_code == 200
    assert said_to(model) == ["1b"]
    alice.say("2c", conversation)
    assert said_to(model) == ["1b", "To 1b.", "2c"]


def test_a_turn_that_names_the_newest_message_makes_no_branch(
    alice: Person, model: ModelServer, api_database: str
) -> None:
    conversation = talk(alice, model, "One")
    chat(alice, conversation, "Two", alice.messages(conversation)[-1]["id"])
    branched = "SELECT branched FROM conversations WHERE id = %s"
    assert execute(api_database, branched, conversation) == [(False,)]
    chat(alice, conversation, "1b", "root")
    assert execute(api_database, branched, conversation) == [(True,)]


def test_what_follows_a_turn_without_an_answer_follows_its_message(alice: Person, model: ModelServer) -> None:
    conversation = talk(alice, model, "One", "Two")
    model.script = lambda _: Response("No.", 400)
    assert alice.post("Three", conversation).status_code == 502
    model.script = echo
    three = alice.messages(conversation)[4]["id"]
    alice.say("Four", conversation)
    said = ["One", "To One.", "Two", "To Two.", "Three", "(There was no answer.)"]
    assert said_to(model) == [*said, "Four"]
    assert chat(alice, conversation, "4", three).status_code == 200
    assert said_to(model) == [*said, "4"]
    after = alice.messages(conversation)
    assert [message["parent_id"] for message in (after[5], after[7])] == [three, three]
    assert after[5]["siblings"] == [after[5]["id"], after[7]["id"]]


@pytest.mark.parametrize("parent", ["somebody else's", "of another conversation", "unknown"])
def test_a_turn_follows_only_what_is_there(
    alice: Person, person: MakePerson, model: ModelServer, parent: str
) -> None:
    conversation, other = talk(alice, model, "One"), talk(alice, model, "Two")
    bob = person()
    ids = {
        "somebody else's": bob.messages(talk(bob, model, "Three"))[0]["id"],
        "of another conversation": alice.messages(other)[0]["id"],
        "unknown": str(uuid4()),
    }
    asked = len(model.requests)
    refused = chat(alice, conversation, "Four", ids[parent])
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "message_not_found")
    path = f"/api/v1/conversations/{conversation}/messages/{ids[parent]}"
    for how, body in (("edit", {"message": "4"}), ("regenerate", {})):
        assert alice.http.post(f"{path}/{how}", json=body).json()["error"]["code"] == "message_not_found"
    assert (len(alice.messages(conversation)), len(model.requests)) == (2, asked)


def test_a_turn_that_is_refused_interrupts_none(alice: Person, model: ModelServer) -> None:
    gate = Gate()
    model.answers(say("Hi."), gate.before(say("Still here.")))
    conversation = alice.say("Hello")["conversation_id"]
    with in_thread(lambda: alice.say("Go on", conversation)) as going:
        gate.wait()
        body = {"message": "No", "conversation_id": conversation, "parent_id": str(uuid4())}
        refused = alice.http.post(f"/api/{alice.name}/chat", json={**body, "if_busy": "interrupt"})
        gate.open()
    assert refused.json()["error"]["code"] == "message_not_found"
    assert going.result()["response"] == "Still here."


def test_a_parent_goes_with_its_conversation(alice: Person) -> None:
    body = {"message": "One", "parent_id": str(uuid4())}
    assert alice.http.post(f"/api/{alice.name}/chat", json=body).status_code == 422


def explore(machine: Callable[[], Branching], cases: int) -> None:
    how = settings(
        max_examples=cases,
        stateful_step_count=20,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    # Hypothesis asks for a class, and is content with what makes one of its objects.
    run_state_machine_as_test(cast("type[Branching]", machine), settings=how)


def test_a_model_is_sent_the_way_to_its_message_whatever_the_tree(
    person: MakePerson, model: ModelServer
) -> None:
    """`BRANCHING_CASES=500` makes so many conversations."""
    explore(lambda: Branching(person(), model), int(os.environ.get("BRANCHING_CASES", "3")))


def test_that_a_model_is_sent_all_there_is_would_be_noticed(
    person: MakePerson, model: ModelServer, api_database: str
) -> None:
    class Flat(Branching):
        @override
        def post(self, path: str, body: dict[str, Any], *, fails: bool) -> None:
            super().post(path, body, fails=fails)
            execute(
                api_database, "UPDATE conversations SET branched = false WHERE id = %s", self.conversation
            )

    with pytest.raises(AssertionError):
        explore(lambda: Flat(person(), model), 20)


def test_a_turn_over_the_websocket_follows_any_message(alice: Person, model: ModelServer) -> None:
    conversation = talk(alice, model, "One", "Two")
    first = alice.messages(conversation)[1]["id"]
    with talking(alice) as socket:
        body = {"message": "2", "conversation_id": conversation, "parent_id": first}
        frames = socket.to_the_end(socket.ask("chat", **body)["run_id"])
        refused = socket.ask("chat", message="2", parent_id=first)
    assert said_to(model) == ["One", "To One.", "2"]
    assert frames[0]["user_message_id"] == alice.messages(conversation)[4]["id"]
    assert refused["code"] == "invalid_request"


def test_a_long_way_through_the_branches_can_be_read(
    alice: Person, model: ModelServer, api_database: str
) -> None:
    conversation = talk(alice, model, "One")
    # More than a statement has parameters; and the statistics are from when there were two.
    execute(api_database, "ANALYZE messages")
    execute(
        api_database,
        """
        INSERT INTO messages (id, user_id, conversation_id, position, parent_position, role, content,
            tool_calls, status, created_at)
        SELECT gen_random_uuid(), user_id, conversation_id, place, place - 1, 'user', '', '[]', 'completed',
            now()
        FROM messages, generate_series(2, 66000) AS place WHERE conversation_id = %s AND position = 0
        """,
        conversation,
    )
    page = f"/api/v1/conversations/{conversation}/messages"
    [newest] = alice.http.get(page, params={"limit": 1, "order": "desc"}).json()["messages"]
    response = alice.http.get(page, params={"leaf": newest["id"], "limit": 2})
    assert [message["content"] for message in response.json()["messages"]] == ["One", "To One."]
    [first] = alice.http.get(page, params={"limit": 1}).json()["messages"]
    last = {"leaf": first["id"], "onward": True, "limit": 1, "order": "desc"}
    assert alice.http.get(page, params=last).json()["messages"] == [newest]


def test_of_many_siblings_the_oldest_are_named(alice: Person, model: ModelServer, api_database: str) -> None:
    conversation = talk(alice, model, "One")
    [asked, answer] = alice.messages(conversation)
    for parent in (None, 0):
        execute(
            api_database,
            """
            INSERT INTO messages (id, user_id, conversation_id, position, parent_position, role, content,
                tool_calls, status, created_at)
            SELECT gen_random_uuid(), user_id, conversation_id, place, %s::int, 'assistant', '', '[]',
                'completed', now()
            FROM messages, generate_series(%s::int, %s::int) AS place
            WHERE conversation_id = %s AND position = 0
            """,
            parent,
            *((2, 300) if parent is None else (301, 600)),
            conversation,
        )
    execute(api_database, "UPDATE conversations SET branched = true WHERE id = %s", conversation)
    shown = alice.http.get(f"/api/v1/conversations/{conversation}/messages", params={"limit": 500}).json()
    ids = [message["id"] for message in shown["messages"]]
    assert ids[:2] == [asked["id"], answer["id"]]
    assert shown["messages"][5]["siblings"] == [ids[0], *ids[2:201]]
    assert shown["messages"][400]["siblings"] == [ids[1], *ids[301:500]]
