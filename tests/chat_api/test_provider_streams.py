"""Every shape in which a provider may stream an answer."""

import json
from typing import Any

import pytest
from starlette.responses import Response

from tests.model_server import ModelServer, chunk, say, sse, stream
from tests.servers import Person

DONE = b"data: [DONE]\n\n"
FINISH = chunk({}, "stop")


def delta(**message: Any) -> bytes:
    return chunk(message)


def fragment(**call: Any) -> bytes:
    """An event with a piece of a tool call: `name` and `arguments` go where they belong."""
    function = {key: call.pop(key) for key in ("name", "arguments") if key in call}
    return chunk({"tool_calls": [call | {"function": function}]})


SHAPES: dict[str, list[bytes]] = {
    "as OpenAI does": [
        delta(role="assistant", content=""),
        delta(content="Good "),
        delta(content="day."),
        FINISH,
        chunk(None, usage={"prompt_tokens": 3, "completion_tokens": 2}),
        DONE,
    ],
    "no [DONE]": [delta(content="Good "), delta(content="day."), FINISH],
    "no finish_reason": [delta(content="Good "), delta(content="day."), DONE],
    "finish with the last words": [delta(content="Good "), chunk({"content": "day."}, "stop"), DONE],
    "a length reached": [delta(content="Good day."), chunk({}, "length"), DONE],
    "no space after data:": [delta(content="Good day.").replace(b"data: ", b"data:"), b"data:[DONE]\n\n"],
    "CRLF": [delta(content="Good day.").replace(b"\n", b"\r\n"), DONE.replace(b"\n", b"\r\n")],
    "comments and events": [
        b": ping\n\n",
        b"event: message\nid: 7\nretry: 10\n" + delta(content="Good "),
        b":\n\n: OPENROUTER PROCESSING\n\n",
        b"data:\n\ndata: \n\n",
        delta(content="day."),
        DONE,
    ],
    "no blank lines": [delta(content="Good ").strip() + b"\n" + delta(content="day.").strip() + b"\n", DONE],
    "the last line unended": [delta(content="Good day."), DONE.strip()],
    "a byte order mark": [b"\xef\xbb\xbf" + delta(content="Good day."), DONE],
    "more after [DONE]": [
        delta(content="Good day."),
        DONE,
        delta(content=" Not this."),
        b"data: nonsense\n\n",
    ],
    "null content": [delta(role="assistant", content=None), delta(content="Good day."), DONE],
    "null delta": [delta(content="Good day."), b'data: {"choices": [{"delta": null}]}\n\n', DONE],
    "null choices": [delta(content="Good day."), b'data: {"choices": null, "error": null}\n\n', DONE],
    "nothing in it": [b"data: {}\n\n", delta(content="Good day."), DONE],
    "parts": [
        delta(content=[{"type": "text", "text": "Good "}, {"type": "thinking", "thinking": []}]),
        delta(content=[{"type": "text", "text": "day."}]),
        DONE,
    ],
    "a refusal": [delta(refusal="Good "), delta(content=None, refusal="day."), DONE],
    "reasoning": [
        delta(reasoning_content="Let me think."),
        delta(reasoning="And think."),
        delta(content="Good day.", reasoning_content=None),
        DONE,
    ],
    "a message for a delta": [b'data: {"choices": [{"message": {"content": "Good day."}}]}\n\n', DONE],
    "two events in one piece": [delta(content="Good ") + delta(content="day.") + FINISH + DONE],
}


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_of_words_is_understood(alice: Person, model: ModelServer, name: str) -> None:
    model.answers(sse(*SHAPES[name]))
    assert alice.say("Hello")["response"] == "Good day."
    [request] = model.requests
    assert (request["stream"], request["stream_options"]) == (True, {"include_usage": True})


MILK = '{"title": "Milk"}'
BREAD = '{"title": "Bread"}'
CALL_SHAPES: dict[str, list[bytes]] = {
    "as OpenAI does": [
        fragment(index=0, id="a", type="function", name="add_todo", arguments=""),
        *(fragment(index=0, arguments=character) for character in MILK),
        fragment(index=1, id="b", type="function", name="add_todo", arguments=""),
        fragment(index=1, arguments=BREAD),
    ],
    "interleaved": [
        fragment(index=0, id="a", name="add_todo", arguments=MILK[:5]),
        fragment(index=1, id="b", name="add_todo", arguments=BREAD[:5]),
        fragment(index=0, arguments=MILK[5:]),
        fragment(index=1, arguments=BREAD[5:]),
    ],
    "the name alone first": [
        fragment(index=0, id="a", name="add_todo"),
        fragment(index=0, arguments=MILK),
        fragment(index=1, id="b", name="add_todo"),
        fragment(index=1, arguments=BREAD),
    ],
    "the id alone first": [
        chunk({"tool_calls": [{"index": 0, "id": "a", "type": "function"}]}),
        fragment(index=0, name="add_todo", arguments=MILK),
        chunk({"tool_calls": [{"index": 1, "id": "b", "type": "function", "function": None}]}),
        fragment(index=1, name="add_todo", arguments=BREAD),
    ],
    "the name in pieces": [
        fragment(index=0, name="add_"),
        fragment(index=0, name="todo"),
        fragment(index=0, name=None, arguments=MILK),
        fragment(index=1, name="add_todo", arguments=BREAD),
    ],
    "all repeated": [
        fragment(index=index, id=f"{index}", type="function", name="add_todo", arguments=piece)
        for index, text in enumerate((MILK, BREAD))
        for piece in (text[:4], text[4:9], text[9:], "")
    ],
    "no ids": [
        fragment(index=0, name="add_todo", arguments=MILK[:5]),
        fragment(index=0, name="", id="", arguments=MILK[5:]),
        fragment(index=1, id=None, name="add_todo", arguments=BREAD),
    ],
    "no indexes, whole calls": [
        fragment(id="a", name="add_todo", arguments=MILK),
        fragment(id="b", name="add_todo", arguments=BREAD),
    ],
    "no indexes, no ids, whole calls": [
        fragment(name="add_todo", arguments=MILK),
        fragment(name="add_todo", arguments=BREAD),
    ],
    "no indexes, in pieces": [
        fragment(id="a", name="add_todo", arguments=""),
        fragment(arguments=MILK[:5]),
        fragment(id="a", arguments=MILK[5:]),
        fragment(id="b", name="add_todo", arguments=BREAD[:5]),
        fragment(arguments=BREAD[5:]),
    ],
    "every index 0": [
        fragment(index=0, id="a", name="add_todo", arguments=MILK),
        fragment(index=0, id="b", name="add_todo", arguments=BREAD),
    ],
    "every index 0, no ids": [
        fragment(index=0, name="add_todo", arguments=MILK),
        fragment(index=0, name="add_todo", arguments=BREAD),
    ],
    "another id a fragment": [
        fragment(index=0, id="a", name="add_todo", arguments=""),
        fragment(index=0, id="b", arguments=MILK),
        fragment(index=1, id="c", name="add_todo", arguments=""),
        fragment(index=1, id="d", arguments=BREAD),
    ],
    "objects": [
        fragment(index=0, id="a", name="add_todo", arguments={"title": "Milk"}),
        fragment(index=1, id="b", name="add_todo", arguments={"title": "Bread"}),
    ],
    "both in one": [
        chunk(
            {
                "tool_calls": [
                    {"function": {"name": "add_todo", "arguments": MILK}},
                    {"function": {"name": "add_todo", "arguments": BREAD}},
                ]
            }
        )
    ],
    "a message for a delta": [
        b'data: {"choices": [{"message": {"tool_calls": [%b, %b]}}]}\n\n'
        % tuple(
            json.dumps({"function": {"name": "add_todo", "arguments": text}}).encode()
            for text in (MILK, BREAD)
        )
    ],
}


@pytest.mark.parametrize("name", CALL_SHAPES)
def test_every_shape_of_calls_is_understood(alice: Person, model: ModelServer, name: str) -> None:
    said = delta(role="assistant", content="Let me see.")
    model.answers(sse(said, *CALL_SHAPES[name], chunk({}, "tool_calls"), DONE), stream("Noted."))
    data = alice.say("Milk and bread")
    assert data["response"] == "Let me see.\n\nNoted."
    assert [made["result"]["title"] for made in data["tool_calls"]] == ["Milk", "Bread"]
    asked, *told = model.requests[1]["messages"][2:]
    assert asked["content"] == "Let me see."
    ids = [each["id"] for each in asked["tool_calls"]]
    assert ids == [each["tool_call_id"] for each in told]
    assert len(set(ids)) == 2


@pytest.mark.parametrize("arguments", ["", "{}", None])
def test_a_call_without_arguments_is_made(alice: Person, model: ModelServer, arguments: str | None) -> None:
    call = [fragment(index=0, id="a", name="list_todos", arguments=arguments), chunk({}, "tool_calls"), DONE]
    model.answers(sse(*call), stream("None."))
    [made] = alice.say("What is there to do?")["tool_calls"]
    assert made["result"]["todos"] == []


def test_an_answer_that_does_not_stream_is_taken_as_a_whole(alice: Person, model: ModelServer) -> None:
    model.answers(say("As a whole."))
    assert alice.say("Hello")["response"] == "As a whole."


def test_a_stream_that_is_called_something_else_is_understood(alice: Person, model: ModelServer) -> None:
    body = delta(content="Good ") + delta(content="day.") + DONE
    model.answers(Response(body, media_type="text/plain"))
    assert alice.say("Hello")["response"] == "Good day."


@pytest.mark.parametrize("counts", [True, False])
def test_tokens_that_the_server_does_not_count_are_estimated(
    alice: Person, model: ModelServer, counts: bool
) -> None:
    model.answers(stream("Good ", "day.", usage=counts))
    usage = alice.say("Hello")["usage"]
    assert usage["estimated"] is not counts
    assert (usage["input_tokens"] == 10) is counts
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0
