"""Conversations that branch: what was said stays, and what a model is sent is one way through it."""

from typing import Any

from tests.chat_api.branches import said_to, talk, turn
from tests.chat_api.replica import execute
from tests.model_server import ModelServer
from tests.servers import Person


def test_an_edited_message_is_answered_without_what_followed_it(alice: Person, model: ModelServer) -> None:
    conversation = talk(alice, model, "One", "Two", "Three")
    before = alice.messages(conversation)
    assert turn(alice, conversation, before[2]["id"], "edit", message="2")["response"] == "To 2."
    assert said_to(model) == ["One", "To One.", "2"]
    assert alice.messages(conversation)[:6] == before
    alice.say("Four", conversation)
    assert said_to(model) == ["One", "To One.", "2", "To 2.", "Four"]


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
