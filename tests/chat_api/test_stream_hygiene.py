"""No text breaks a frame: whatever stands in whichever field comes through, one frame a line."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg.types.json import Jsonb
from websockets.sync.client import connect

from tests.chat_api.replica import execute
from tests.chat_api.sockets import Frame, Talk, address, token_of
from tests.chat_api.streams import NDJSON, SSE, hear
from tests.model_server import Chat, ModelServer, call, chunk, say, sse, stream, stream_call
from tests.servers import Person

WIRES = ("sse", "ndjson", "websocket", "json")
NASTY = (
    "a\rb\nc\r\nd\n\re\u2028f\u2029g\x85h\x0b\x0c\x1c\x1d\x1e\x1f\x01i\\u0000j\\ud800k\ufeffl\u202em"
    '\U0001f600\U0001f468\u200d\U0001f469 "quoted" \\n {"type":"done"}\r\ndata: x\n\nid: 7\n\n: '
)
LONG = (NASTY * 20_000)[:1_000_000]
REPLACE = """
    WITH gone AS (DELETE FROM events WHERE run_id = %s RETURNING run_id, user_id, at)
    INSERT INTO events (run_id, seq, first_seq, user_id, type, data, at)
    SELECT run_id, n + 1, n + 1, user_id, e->>'type',
        (e->'data') || jsonb_build_object('conversation_id', %s::text), at
    FROM (SELECT * FROM gone LIMIT 1) AS was, jsonb_array_elements(%s) WITH ORDINALITY AS given (e, n)
"""


def frames_of(person: Person, run_id: str, wire: str) -> list[Frame]:
    """The frames of a run that is over, each from a line of its own."""
    if wire == "websocket":
        return list(messages(person, run_id))
    path = f"/api/v1/runs/{run_id}/events"
    if wire == "json":
        return person.http.get(path).json()["events"]
    with person.http.stream("GET", path, headers={"Accept": SSE if wire == "sse" else NDJSON}) as response:
        return hear(response).frames


def messages(person: Person, run_id: str) -> Iterator[Frame]:
    with connect(address(str(person.http.base_url).rstrip("/")), proxy=None, max_size=None) as connection:
        talk = Talk(connection)
        talk.say("auth", token=token_of(person))
        talk.ask("subscribe", scope="run", run_id=run_id)
        while True:
            message = connection.recv(10)
            assert isinstance(message, str)
            assert len(message.splitlines()) == 1
            yield (frame := json.loads(message))
            if frame["type"] in {"done", "error"}:
                return


def log_with(text: str) -> list[dict[str, Any]]:
    """A log of every kind of event, with `text` wherever text is."""
    model = {"step_id": "1", "kind": "model", "name": text}
    tool = {"step_id": "1.1", "kind": "tool", "name": text, "arguments": {text[:100]: [text]}}
    ended = {"latency_ms": 1.0, "error": text}
    error = {"code": text, "message": text}
    events = {
        "run.started": {"position": 0},
        "attempt": {"attempt": 1, "text": text},
        "step.started": tool,
        "text.delta": {"step_id": "1", "text": text, "lengths": [len(text)]},
        "approval.requested": {"step_id": "1.1", "name": text},
    }
    found = [{"type": name, "data": data} for name, data in events.items()]
    found += [{"type": "step.started", "data": model}, {"type": "step.finished", "data": model | ended}]
    found += [{"type": "step.finished", "data": tool | ended | {"result": {text[:100]: text}}}]
    return [*found, {"type": "run.failed", "data": {"message_id": None, "usage": None, "error": error}}]


def expected(text: str, wire: str) -> list[Frame]:
    """Parts of frames that are to be there."""
    arguments, result, error = {text[:100]: [text]}, {text[:100]: text}, {"code": text, "message": text}
    if wire == "json":
        return [
            {"type": "attempt", "text": text},
            {"type": "text.delta", "text": text},
            {"type": "approval.requested", "name": text},
            {"type": "step.started", "kind": "tool", "name": text, "arguments": arguments},
            {"type": "step.started", "kind": "model", "name": text},
            {"type": "step.finished", "kind": "model", "name": text, "error": text},
            {"type": "step.finished", "kind": "tool", "error": text, "result": result},
            {"type": "run.failed", "error": error},
        ]
    common = [
        {"type": "attempt", "content": text},
        {"type": "token", "content": text},
        {"type": "error", **error},
    ]
    if wire == "ndjson":
        return [
            *common,
            {"type": "tool_call", "tool": text, "args": arguments},
            {"type": "tool_result", "tool": text, "result": result, "error": text},
            {"type": "approval", "tool": text},
        ]
    return [
        *common,
        {"type": "trace_start", "kind": "model", "name": text},
        {"type": "trace_start", "kind": "tool", "name": text, "arguments": arguments},
        {"type": "trace_end", "kind": "model", "name": text, "error": text},
        {"type": "trace_end", "kind": "tool", "name": text, "result": result, "error": text},
        {"type": "approval", "name": text},
    ]


@pytest.mark.parametrize("text", [NASTY, LONG[:100_000]], ids=["nasty", "long"])
@pytest.mark.parametrize("wire", WIRES)
def test_every_field_survives(alice: Person, api_database: str, wire: str, text: str) -> None:
    said = alice.say("Hello")
    execute(api_database, REPLACE, said["run_id"], said["conversation_id"], Jsonb(log_with(text)))
    frames = frames_of(alice, said["run_id"], wire)
    for part in expected(text, wire):
        assert any(frame | part == frame for frame in frames), part["type"]


@pytest.mark.parametrize("wire", WIRES)
def test_what_a_model_says_survives(alice: Person, model: ModelServer, wire: str) -> None:
    """Without NUL and halves of surrogate pairs, which no database keeps."""
    refused = '{"title": "with \\u0000", "notes": "or \\ud800"}'
    halves = (chunk({"content": f"{NASTY}\ud83d"}), chunk({"content": "\ude00 \x00\ud83d alone \udc00."}))
    model.answers(
        call("add_todo", title=NASTY, notes=NASTY),
        call("add_todo", refused),
        stream_call(f"no{NASTY}tool\x00\ud800"),
        sse(*halves, chunk({}, "stop"), b"data: [DONE]\n\n"),
    )
    said = alice.say("Add it")
    text = f"{NASTY}\U0001f600 ? alone ?."
    assert said["response"] == text
    assert alice.messages(said["conversation_id"])[1]["content"] == text
    frames = frames_of(alice, said["run_id"], wire)
    name, arguments = {"ndjson": ("tool", "args")}.get(wire, ("name", "arguments"))
    ends = {"ndjson": "tool_result", "json": "step.finished"}.get(wire, "trace_end")
    first, second, third = [
        frame for frame in frames if frame["type"] == ends and frame.get("kind", "tool") == "tool"
    ]
    begun = next(frame for frame in frames if frame.get(arguments))
    assert begun[arguments] == {"title": NASTY, "notes": NASTY}
    # As the tool tidies it.
    assert first["result"]["title"] == said["tool_calls"][0]["result"]["title"]
    assert "\\u0000j\\ud800k" in first["result"]["notes"]
    assert second["error"]
    assert third[name] == said["tool_calls"][2]["tool"]
    assert "\x00" not in third[name]
    assert "".join(_text(frame) for frame in frames) == text


def _text(frame: Frame) -> str:
    return {"token": frame.get("content"), "text.delta": frame.get("text")}.get(frame["type"]) or ""


@pytest.mark.parametrize("wire", WIRES)
def test_one_megabyte_of_it_comes_through(alice: Person, model: ModelServer, wire: str) -> None:
    model.answers(stream(LONG[:1000], LONG[1000:]))
    said = alice.say("Much")
    assert said["response"] == LONG
    assert "".join(map(_text, frames_of(alice, said["run_id"], wire))) == LONG


def test_what_a_user_says_survives(alice: Person, model: ModelServer) -> None:
    heard: list[str] = []

    def listen(chat: Chat) -> Any:
        heard.append(chat["messages"][-1]["content"])
        return say("Thanks.")

    model.answers(listen)
    said = alice.say(NASTY)
    assert heard == [NASTY]
    assert alice.messages(said["conversation_id"])[0]["content"] == NASTY
