"""A turn, over HTTP, with a scripted model."""

from tests.model_server import ModelServer, call, say
from tests.servers import Person


def test_an_answer_comes_in_the_envelope(alice: Person, model: ModelServer) -> None:
    model.answers(say("Hi Alice."))
    response = alice.post("Hello")
    assert response.status_code == 200, response.text
    body = response.json()
    assert (body["success"], body["message"]) == (True, "Operation completed successfully")
    assert body["data"]["response"] == "Hi Alice."
    assert body["data"]["tool_calls"] == []
    assert body["data"]["usage"]["total_tokens"] == 15
    assert {"conversation_id", "run_id", "timestamp"} <= body["data"].keys()


def test_a_tool_call_is_made_and_shown(alice: Person, model: ModelServer) -> None:
    model.answers(call("add_todo", title="Buy milk"), say("Noted."))
    data = alice.say("Remind me to buy milk")
    [tool_call] = data["tool_calls"]
    assert (tool_call["tool"], tool_call["args"]) == ("add_todo", {"title": "Buy milk"})
    assert tool_call["result"]["title"] == "Buy milk"
    told = model.requests[1]["messages"][-1]
    assert told["role"] == "tool"
    assert "Buy milk" in told["content"]
