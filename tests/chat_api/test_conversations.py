"""What is kept of a conversation: read back over HTTP, and told to the model again."""

import json
from typing import Any
from uuid import uuid4

import pytest
from starlette.responses import JSONResponse

from tests.chat_api.conftest import MakePerson
from tests.chat_api.replica import running_api
from tests.model_server import ModelServer, call, say
from tests.servers import Person


def page(alice: Person, conversation_id: str, **query: Any) -> dict[str, Any]:
    response = alice.http.get(f"/api/v1/conversations/{conversation_id}/messages", params=query)
    assert response.status_code == 200, response.text
    return response.json()


def test_a_turn_is_kept_with_its_tool_calls(alice: Person, model: ModelServer) -> None:
    model.answers(call("add_todo", title="Milk"), call("complete_todo", id="x"), say("Noted."))
    data = alice.say("Buy milk")
    asked, answered = alice.messages(data["conversation_id"])
    assert (asked["role"], asked["content"], asked["tool_calls"]) == ("user", "Buy milk", [])
    assert (answered["role"], answered["content"]) == ("assistant", "Noted.")
    shown = [{"result": None, "error": None} | made for made in data["tool_calls"]]
    assert answered["tool_calls"] == shown
    assert [bool(made["error"]) for made in shown] == [False, True]
    assert {asked["run_id"], answered["run_id"]} == {data["run_id"]}
    assert asked["created_at"] <= answered["created_at"]


def test_messages_come_in_pages_oldest_first(alice: Person, model: ModelServer) -> None:
    conversation_id = alice.say("0")["conversation_id"]
    for number in range(1, 4):
        model.answers(say(f"re {number}"))
        alice.say(str(number), conversation_id)
    expected = ["0", "Hello.", "1", "re 1", "2", "re 2", "3", "re 3"]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    sizes: list[int] = []
    while not sizes or cursor:
        found = page(alice, conversation_id, limit=3, **cursor)
        seen += [message["content"] for message in found["messages"]]
        sizes.append(len(found["messages"]))
        cursor = {"cursor": found["next_cursor"]} if found["next_cursor"] else {}
    assert (seen, sizes) == (expected, [3, 3, 2])
    exact = page(alice, conversation_id, limit=8)
    assert (len(exact["messages"]), exact["next_cursor"]) == (8, None)


@pytest.mark.parametrize(
    "query",
    [{"limit": 0}, {"limit": 501}, {"limit": "x"}, {"cursor": "-1"}, {"cursor": "9" * 10}, {"cursor": "é"}],
)
def test_a_page_that_cannot_be_is_refused(alice: Person, query: dict[str, Any]) -> None:
    conversation_id = alice.say("Hello")["conversation_id"]
    response = alice.http.get(f"/api/v1/conversations/{conversation_id}/messages", params=query)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid_request")
    assert response.json()["error"]["details"][0]["field"] == next(iter(query))


def test_the_model_is_told_what_was_said_and_done_before(alice: Person, model: ModelServer) -> None:
    model.answers(call("add_todo", title="Milk"), call("complete_todo", id="x"), say("Noted."))
    conversation_id = alice.say("Buy milk")["conversation_id"]
    model.answers(say("Second."), say("Third."))
    alice.say("Two", conversation_id)
    model.requests.clear()
    alice.say("Three", conversation_id)
    [request] = model.requests
    told = request["messages"][1:]
    roles = ["user", "assistant", "tool", "assistant", "tool", "assistant", "user", "assistant", "user"]
    assert [message["role"] for message in told] == roles
    assert [told[at]["content"] for at in (0, 5, 6, 7, 8)] == [
        "Buy milk",
        "Noted.",
        "Two",
        "Second.",
        "Three",
    ]
    for asked, answered in ((told[1], told[2]), (told[3], told[4])):
        assert [made["id"] for made in asked["tool_calls"]] == [answered["tool_call_id"]]
    assert told[1]["tool_calls"][0]["function"]["name"] == "add_todo"
    assert json.loads(told[1]["tool_calls"][0]["function"]["arguments"]) == {"title": "Milk"}
    assert json.loads(told[2]["content"])["title"] == "Milk"
    assert "Call list_todos" in told[4]["content"]
    assert told[1]["tool_calls"][0]["id"] != told[3]["tool_calls"][0]["id"]


def test_a_long_conversation_loses_whole_old_turns_only(
    api_database: str, model: ModelServer, person: MakePerson
) -> None:
    with running_api(api_database, model.url, context_tokens=1000) as url:
        alice = person(url)
        model.answers(call("add_todo", title="First"), say("Noted."))
        conversation_id = alice.say("First " + "x" * 1500)["conversation_id"]
        model.script = lambda _: say("Well.")
        alice.say("Second " + "x" * 1500, conversation_id)
        alice.say("Third " + "x" * 1500, conversation_id)
        told = model.requests[-1]["messages"][1:]
        assert [message["content"].split()[0] for message in told] == ["Second", "Well.", "Third"]
        alice.say("Fourth " + "x" * 10_000, conversation_id)
        assert [message["role"] for message in model.requests[-1]["messages"]] == ["system", "user"]


def test_unicode_survives_the_whole_way(alice: Person, model: ModelServer) -> None:
    text = "Größe \U0001f600 \u202e שלום \\u0000 \x7f\x1b \uffff"
    model.answers(call("add_todo", title="\\u0000 " + text.strip()), say(text))
    data = alice.say(text)
    assert data["response"] == text
    assert data["tool_calls"][0]["args"]["title"] == "\\u0000 " + text.strip()
    assert [message["content"] for message in alice.messages(data["conversation_id"])] == [text, text]
    assert model.requests[0]["messages"][-1]["content"] == text


@pytest.mark.parametrize("whose", ["somebody else's", "nobody's"])
def test_a_conversation_that_is_not_ones_own_does_not_exist(
    alice: Person, person: MakePerson, model: ModelServer, whose: str
) -> None:
    conversation_id = str(uuid4()) if whose == "nobody's" else person().say("Secret")["conversation_id"]
    model.requests.clear()
    refused = [
        alice.post("What was said?", conversation_id),
        alice.http.get(f"/api/v1/conversations/{conversation_id}/messages"),
    ]
    for response in refused:
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "conversation_not_found"
        assert "Secret" not in response.text
    assert model.requests == []


def test_a_strangers_attempt_leaves_no_trace(alice: Person, person: MakePerson) -> None:
    conversation_id = alice.say("Hello")["conversation_id"]
    before = alice.messages(conversation_id)
    assert person().post("Let me in", conversation_id).status_code == 404
    assert alice.messages(conversation_id) == before
    assert alice.say("Next", conversation_id)["conversation_id"] == conversation_id


def test_the_same_subject_of_two_issuers_is_two_people(
    api_database: str, alice: Person, model: ModelServer, person: MakePerson
) -> None:
    conversation_id = alice.say("Hello")["conversation_id"]
    with running_api(api_database, model.url, jwt_issuer="https://other.example") as url:
        namesake = person(url, alice.name, iss="https://other.example")
        assert namesake.post("Hello", conversation_id).status_code == 404


def test_usage_that_makes_no_sense_does_not_lose_the_answer(alice: Person, model: ModelServer) -> None:
    message = {"role": "assistant", "content": "Hi."}
    for usage in ({"prompt_tokens": None}, {}, {"prompt_tokens": "7"}, {"prompt_tokens": 10**12}):
        model.answers(JSONResponse({"choices": [{"message": message}], "usage": usage}))
        assert alice.say("Hello")["response"] == "Hi."
