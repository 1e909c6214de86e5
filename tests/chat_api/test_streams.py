"""A run's log on its wires: the same text for everybody, from wherever they go on."""

import json
from collections.abc import Generator
from typing import Any

import pytest

from tests.chat_api.conftest import MakePerson
from tests.chat_api.replica import in_thread, running_api
from tests.chat_api.streams import NDJSON, SSE, Heard, chat_stream, frames, hear
from tests.model_server import Hold, ModelServer, call, chunk, say, sse, stream
from tests.servers import Person

NASTY = (
    "a\rb\nc\r\nd\u2028e\u2029f\x85g\x0bh\U0001f600\U0001f468\u200d\U0001f469"
    ' \\n "quoted" data: x\n\nid: 7\n\n'
)
TOKENS = [f"{number}{NASTY if number % 50 == 0 else ' '}" for number in range(200)]
TEXT = "".join(TOKENS)


@pytest.fixture(scope="module")
def other(api_database: str, shared_model: ModelServer) -> Generator[str]:
    """A second replica."""
    with running_api(api_database, shared_model.url) as url:
        yield url


def events(person: Person, run_id: str, after: int, accept: str, *, by_header: bool = False) -> Any:
    headers = {"Accept": accept} | ({"Last-Event-ID": str(after)} if by_header else {})
    query = {} if by_header else {"after": after}
    return person.http.stream("GET", f"/api/v1/runs/{run_id}/events", params=query, headers=headers)


@pytest.mark.parametrize("accept", [SSE, NDJSON])
def test_a_turn_is_streamed_token_by_token(alice: Person, model: ModelServer, accept: str) -> None:
    hold = Hold()
    model.answers(stream("One, ", "two, ", hold, "three."))
    heard = Heard()
    with chat_stream(alice, "Count", accept) as response:
        for number, frame in frames(response):
            heard.take(number, frame)
            if heard.text == "One, two, ":
                # What has come so far came before the model had ended.
                hold.open()
    assert heard.text == "One, two, three."
    done = heard.frames[-1]
    assert (done["type"], done["status"], done["tokens_used"]) == ("done", "completed", 15)
    assert done["thread_id"] == done["conversation_id"] == response.headers["x-conversation-id"]
    assert done["run_id"] == response.headers["x-run-id"]
    kept = alice.messages(done["conversation_id"])
    assert (kept[1]["content"], kept[1]["id"]) == (heard.text, done["message_id"])


def test_tools_are_told_of_on_each_wire(alice: Person, model: ModelServer) -> None:
    model.answers(call("calculator", expression="2 + 2"), say("Four."))
    with chat_stream(alice, "2 + 2?", SSE) as response:
        heard = hear(response)
    ends = [frame for frame in heard.frames if frame["type"] == "trace_end"]
    assert [(end["step_id"], end["kind"], end["name"]) for end in ends] == [
        ("1", "model", "scripted"),
        ("1.1", "tool", "calculator"),
        ("2", "model", "scripted"),
    ]
    assert ends[1]["arguments"] == {"expression": "2 + 2"}
    assert ends[1]["result"]["result"] == "4"
    assert all(end["latency_ms"] >= 0 for end in ends)
    run_id = response.headers["x-run-id"]
    with events(alice, run_id, 0, NDJSON) as response:
        lines = hear(response).frames
    assert [line["type"] for line in lines] == ["start", "tool_call", "tool_result", "token", "done"]
    assert lines[1]["args"] == {"expression": "2 + 2"}
    steps = alice.http.get(f"/api/v1/runs/{run_id}/steps").json()["steps"]
    assert [(step["step_id"], step["status"], step["input_tokens"]) for step in steps] == [
        ("1", "completed", 10),
        ("1.1", "completed", None),
        ("2", "completed", 10),
    ]


@pytest.mark.parametrize("accept", [SSE, NDJSON])
def test_a_run_resumes_at_every_number_with_the_same_text(
    alice: Person, person: MakePerson, other: str, model: ModelServer, accept: str
) -> None:
    """Also while it is still running, and at the replica that does not drive it."""
    elsewhere = person(other, alice.name)
    hold = Hold()
    model.answers(stream(*TOKENS[:100], hold, *TOKENS[100:]))
    cuts: list[tuple[int, str]] = []
    with chat_stream(alice, "Count") as response:
        run_id = response.headers["x-run-id"]
        heard = Heard()
        for number, frame in frames(response):
            heard.take(number, frame)
            cuts.append((heard.last, heard.text))
            if heard.text == "".join(TOKENS[:100]):
                with events(elsewhere, run_id, 0, accept) as early:
                    assert hear(early, frames_at_most=3 if accept == SSE else 2).text.startswith("0a")
                # While it is running: one at each replica, from the middle.
                middle = cuts[len(cuts) // 2]
                with (
                    events(alice, run_id, middle[0], accept) as here,
                    events(elsewhere, run_id, middle[0], accept) as there,
                ):
                    hold.open()
                    assert middle[1] + hear(here).text == middle[1] + hear(there).text == TEXT
    assert heard.text == TEXT
    assert len(cuts) >= 200
    for last, text in cuts[:-1]:
        with events(elsewhere, run_id, last, accept, by_header=accept == SSE) as rest:
            assert text + hear(rest, Heard(last=last)).text == TEXT, last


def test_who_has_seen_the_end_gets_an_end_at_once(alice: Person) -> None:
    with chat_stream(alice, "Hello") as response:
        heard = hear(response)
    run_id = response.headers["x-run-id"]
    with events(alice, run_id, heard.last, NDJSON) as response:
        assert list(frames(response)) == []
    # After which an EventSource does not connect again.
    for by_header in (True, False):
        with events(alice, run_id, heard.last, SSE, by_header=by_header) as response:
            assert (response.status_code, response.read()) == (204, b"")


def test_the_log_as_json_has_every_event_once_and_without_gaps(alice: Person, model: ModelServer) -> None:
    model.answers(call("calculator", expression="2 + 2"), stream("It ", "is ", "4."))
    run_id = alice.say("2 + 2?")["run_id"]
    found: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        page = alice.http.get(f"/api/v1/runs/{run_id}/events", params={"after": after, "limit": 4}).json()
        found += page["events"]
        after = page["next_after"]
    kinds = [event["type"] for event in found if event["type"] != "text.delta"]
    assert kinds[0] == "run.started"
    assert kinds[-1] == "run.completed"
    assert kinds.count("step.started") == kinds.count("step.finished") == 3
    assert "".join(event["text"] for event in found if event["type"] == "text.delta") == "It is 4."
    assert [event["seq"] for event in found] == sorted({event["seq"] for event in found})


def test_text_in_front_of_a_tool_call_is_kept_as_it_was_streamed(alice: Person, model: ModelServer) -> None:
    function = {"name": "calculator", "arguments": json.dumps({"expression": "2 + 2"})}
    wanted = {"index": 0, "id": "call_1", "type": "function", "function": function}
    deltas = [{"content": "Let me "}, {"content": "see."}, {"tool_calls": [wanted]}]
    model.answers(sse(*map(chunk, deltas), chunk({}, "tool_calls"), b"data: [DONE]\n\n"), say("Four."))
    with chat_stream(alice, "2 + 2?") as response:
        heard = hear(response)
    assert heard.text == "Let me see.\n\nFour."
    assert alice.messages(response.headers["x-conversation-id"])[1]["content"] == heard.text


def test_the_log_of_another_person_is_not_there(alice: Person, person: MakePerson) -> None:
    run_id = alice.say("Hello")["run_id"]
    mallory = person()
    for path in ("", "/steps", "/events"):
        assert mallory.http.get(f"/api/v1/runs/{run_id}{path}").status_code == 404
    for accept in (SSE, NDJSON):
        refused = mallory.http.get(f"/api/v1/runs/{run_id}/events", headers={"Accept": accept})
        assert refused.json()["error"]["code"] == "run_not_found"
    assert mallory.http.post(f"/api/v1/runs/{run_id}/cancel").status_code == 404
    decision = {"step_id": "1.1", "decision": "approve"}
    assert mallory.http.post(f"/api/v1/runs/{run_id}/approvals", json=decision).status_code == 404


def test_the_default_agent_streams_lines_and_takes_a_thread(alice: Person, model: ModelServer) -> None:
    conversation_id = alice.say("Hello")["conversation_id"]
    model.answers(stream("Hi ", "again."), say("Whole."))
    body = {"message": "Me again", "thread_id": conversation_id}
    with alice.http.stream("POST", "/api/agents/default/chat", json=body) as response:
        assert response.headers["content-type"] == NDJSON
        assert hear(response).text == "Hi again."
    whole = alice.http.post("/api/agents/default/chat", json={**body, "stream": False}).json()
    assert (whole["data"]["response"], whole["data"]["conversation_id"]) == ("Whole.", conversation_id)


def test_one_megabyte_comes_through(alice: Person, model: ModelServer) -> None:
    text = (NASTY * 40_000)[:1_000_000]
    model.answers(stream(text[:500_000], text[500_000:]))
    with chat_stream(alice, "Much") as response:
        heard = hear(response)
    with events(alice, response.headers["x-run-id"], 0, NDJSON) as response:
        again = hear(response)
    assert heard.text == again.text == text
    # Whatever library reads this has a limit for lines and messages.
    assert max(len(frame.get("content", "")) for frame in heard.frames + again.frames) <= 16 * 1024


@pytest.mark.parametrize("last", ["x", "-1", "1e3", "9" * 40])
def test_a_place_that_is_none_is_refused(alice: Person, last: str) -> None:
    run_id = alice.say("Hello")["run_id"]
    for options in ({"params": {"after": last}}, {"headers": {"Last-Event-ID": last}}):
        assert alice.http.get(f"/api/v1/runs/{run_id}/events", **options).status_code == 422  # pyright: ignore[reportArgumentType]


def test_a_follower_elsewhere_hears_of_a_run_in_line(
    alice: Person, person: MakePerson, other: str, model: ModelServer
) -> None:
    hold = Hold()
    model.answers(stream("One", hold, "."), say("Two."))
    elsewhere = person(other, alice.name)
    with chat_stream(alice, "First") as response:
        conversation_id = response.headers["x-conversation-id"]
        ids = {"conversation_id": conversation_id, "if_busy": "enqueue"}
        with in_thread(lambda: _streamed(elsewhere, "Second", ids)) as second:
            while len(alice.messages(conversation_id)) < 2:
                pass
            hold.open()
            assert hear(response).text == "One."
        assert second.result().text == "Two."


def _streamed(person: Person, message: str, body: dict[str, Any]) -> Heard:
    with chat_stream(person, message, **body) as response:
        return hear(response)
