"""A turn, over HTTP, with a scripted model."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from starlette.responses import JSONResponse, Response

from tests.chat_api.conftest import MakePerson
from tests.chat_api.replica import running_api
from tests.model_server import ModelServer, call, say
from tests.servers import Person


def calls(*wanted: tuple[str, dict[str, Any]], text: str | None = None) -> Response:
    """One answer that calls several tools at once, in pure ASCII."""
    tool_calls = [
        {
            "id": "the-same",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        }
        for name, arguments in wanted
    ]
    message = {"role": "assistant", "content": text, "tool_calls": tool_calls}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    return Response(json.dumps(body), media_type="application/json")


def test_an_answer_comes_in_the_envelope(alice: Person, model: ModelServer) -> None:
    model.answers(say("Hi Alice."))
    response = alice.post("Hello")
    assert response.status_code == 200, response.text
    body = response.json()
    assert body.keys() == {"success", "data", "message"}
    assert (body["success"], body["message"]) == (True, "Operation completed successfully")
    data = body["data"]
    assert (data["response"], data["tool_calls"]) == ("Hi Alice.", [])
    assert data["usage"] == {
        "requests": 1,
        "input_tokens": 10,
        "output_tokens": 5,
        "total_tokens": 15,
        "estimated": False,
    }
    assert UUID(data["conversation_id"]) != UUID(data["run_id"])
    assert datetime.fromisoformat(data["timestamp"]).utcoffset() is not None


def test_the_model_is_told_its_task_the_date_and_the_tools(alice: Person, model: ModelServer) -> None:
    alice.say("Hello")
    [request] = model.requests
    assert [message["role"] for message in request["messages"]] == ["system", "user"]
    assert request["messages"][1]["content"] == "Hello"
    assert "Europe/Berlin" in request["messages"][0]["content"]
    names = {tool["function"]["name"] for tool in request["tools"]}
    assert {"add_todo", "list_todos", "calculator"} <= names


def test_a_tool_call_is_made_and_shown(alice: Person, model: ModelServer) -> None:
    model.answers(call("add_todo", title="Buy milk"), say("Noted."))
    data = alice.say("Remind me to buy milk")
    [tool_call] = data["tool_calls"]
    assert (tool_call["tool"], tool_call["args"]) == ("add_todo", {"title": "Buy milk"})
    assert tool_call["result"]["title"] == "Buy milk"
    told = model.requests[1]["messages"][-1]
    assert told["role"] == "tool"
    assert "Buy milk" in told["content"]
    model.answers(call("list_todos"), say("One."))
    [listed] = alice.say("What is there to do?")["tool_calls"]
    assert [todo["title"] for todo in listed["result"]["todos"]] == ["Buy milk"]


def test_several_rounds_are_made_in_order(alice: Person, model: ModelServer) -> None:
    steps = [call("add_todo", title=f"Step {number}") for number in range(4)]
    model.answers(*steps, call("list_todos"), say("Done."))
    data = alice.say("Plan it")
    assert [made["tool"] for made in data["tool_calls"]] == ["add_todo"] * 4 + ["list_todos"]
    titles = [todo["title"] for todo in data["tool_calls"][-1]["result"]["todos"]]
    assert titles == [f"Step {number}" for number in range(4)]
    assert data["usage"]["requests"] == 6
    assert data["usage"]["total_tokens"] == 90


def test_parallel_calls_are_each_made_and_answered(alice: Person, model: ModelServer) -> None:
    wanted = [("add_todo", {"title": f"Todo {number}"}) for number in range(5)]
    model.answers(calls(*wanted, text="Let me see."), say("Done."))
    data = alice.say("Note five things")
    assert [made["args"]["title"] for made in data["tool_calls"]] == [f"Todo {n}" for n in range(5)]
    assert [made["result"]["title"] for made in data["tool_calls"]] == [f"Todo {n}" for n in range(5)]
    asked, *told = model.requests[1]["messages"][2:]
    assert asked["content"] == "Let me see."
    # The server's ids are all the same, so that what goes back must be told apart by ours.
    assert [each["tool_call_id"] for each in told] == [each["id"] for each in asked["tool_calls"]]
    assert len({each["tool_call_id"] for each in told}) == 5
    for number, each in enumerate(told):
        assert f"Todo {number}" in each["content"]


def test_a_tools_failure_is_told_to_the_model_and_shown(alice: Person, model: ModelServer) -> None:
    model.answers(call("complete_todo", id="nonsense"), say("There is none."))
    data = alice.say("Tick it off")
    [tool_call] = data["tool_calls"]
    assert "Call list_todos" in tool_call["error"]
    assert tool_call["result"] is None
    assert "Call list_todos" in model.requests[1]["messages"][-1]["content"]
    assert data["response"] == "There is none."


def test_an_unknown_tool_is_told_to_the_model(alice: Person, model: ModelServer) -> None:
    model.answers(call("order_pizza", size="large"), say("I cannot do that."))
    assert alice.say("Order a pizza")["response"] == "I cannot do that."
    told = model.requests[1]["messages"][-1]
    assert told["role"] == "tool"
    assert "order_pizza" in told["content"]


@pytest.mark.parametrize(
    "arguments",
    ['{"title": ', "[]", '"title"', "null", "17", "title=milk", '{"title": "a"}{}', "[" * 10_000],
)
def test_malformed_arguments_are_told_to_the_model(alice: Person, model: ModelServer, arguments: str) -> None:
    model.answers(call("add_todo", arguments), call("add_todo", title="Milk"), say("Now it worked."))
    data = alice.say("Remind me of milk")
    first, second = data["tool_calls"]
    assert "valid JSON" in first["error"]
    assert second["result"]["title"] == "Milk"
    asked, told = model.requests[1]["messages"][-2:]
    assert "valid JSON" in told["content"]
    assert isinstance(json.loads(asked["tool_calls"][0]["function"]["arguments"]), dict)


@pytest.mark.parametrize(
    "arguments",
    [
        '{"title": "a\\u0000b"}',
        '{"title": "a\\ud800b"}',
        '{"\\u0000": 1}',
        '{"title": NaN}',
        '{"title": 1e999}',
        f'{{"title": {"[" * 500}{"]" * 500}}}',
        f'{{"title": {"9" * 4000}}}',
    ],
)
def test_arguments_that_cannot_be_kept_do_not_break_the_turn(
    alice: Person, model: ModelServer, arguments: str
) -> None:
    model.answers(call("add_todo", arguments), say("It did not work."))
    data = alice.say("Remind me of it")
    assert data["tool_calls"][0]["error"]
    assert data["response"] == "It did not work."
    kept = alice.messages(data["conversation_id"])
    assert kept[-1]["content"] == "It did not work."
    model.answers(say("Fine."))
    assert alice.say("And?", data["conversation_id"])["response"] == "Fine."


@pytest.mark.parametrize("name", ["a\x00b", "a\ud800b", "", "x" * 100_000, "add_todo "])
def test_an_odd_tool_name_does_not_break_the_turn(alice: Person, model: ModelServer, name: str) -> None:
    model.answers(calls((name, {})), say("It did not work."))
    data = alice.say("Do it")
    assert data["response"] == "It did not work."
    model.answers(say("Fine."))
    assert alice.say("And?", data["conversation_id"])["response"] == "Fine."


def test_arguments_sent_as_an_object_are_taken(alice: Person, model: ModelServer) -> None:
    function = {"name": "add_todo", "arguments": {"title": "Milk"}}
    message = {"role": "assistant", "tool_calls": [{"id": "", "type": "function", "function": function}]}
    model.answers(JSONResponse({"choices": [{"message": message}]}), say("Noted."))
    assert alice.say("Milk!")["tool_calls"][0]["result"]["title"] == "Milk"


def test_too_many_rounds_end_the_turn_with_a_name(
    api_database: str, model: ModelServer, person: MakePerson
) -> None:
    with running_api(api_database, model.url, max_rounds=3) as url:
        alice = person(url)
        conversation_id = alice.say("Hello")["conversation_id"]
        model.script = lambda _: call("list_todos")
        response = alice.post("Again and again", conversation_id)
        assert (response.status_code, response.json()["error"]["code"]) == (502, "too_many_rounds")
        assert "3 rounds" in response.json()["message"]
        kept = alice.messages(conversation_id)
    assert len(model.requests) == 1 + 3
    assert [message["role"] for message in kept] == ["user", "assistant", "user", "assistant"]
    # The last model call is offered no tools.
    made = [(call["tool"], call["error"]) for call in kept[3]["tool_calls"]]
    assert made == [("list_todos", None)] * 2 + [("list_todos", "There is no such tool.")]
    assert kept[3]["content"] == ""
