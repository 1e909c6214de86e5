"""Decisions that come twice, too late, from strangers, or meet a crash."""

import json
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.exc import OperationalError

from chat_api.runs import turn
from tests.chat_api.conftest import MakePerson
from tests.chat_api.deciding import (
    agent,
    asked,
    begin,
    decide,
    ended,
    requests,
    told_of_tools,
    until_asked,
    with_agent,
)
from tests.chat_api.replica import Gate, execute, expire_leases, running_api
from tests.chat_api.test_takeovers import letters
from tests.model_server import Hold, ModelServer, call, calls, say, serve, stream
from tests.servers import Person

ASKS = {"approvals": {"tools": ["add_todo"]}}


@pytest.fixture
def waiting(alice: Person, model: ModelServer) -> str:
    """A run of Alice's that waits for her."""
    model.answers(call("add_todo", title="Milk"), say("Noted."))
    run_id = begin(alice, agent(alice, **ASKS))
    until_asked(alice, run_id)
    return run_id


def test_strangers_neither_see_nor_decide(alice: Person, waiting: str, person: MakePerson) -> None:
    mallory = person()
    assert mallory.http.get(f"/api/v1/runs/{waiting}/approvals").status_code == 404
    assert decide(mallory, waiting).json()["error"]["code"] == "run_not_found"
    assert len(asked(alice, waiting)) == 1


def test_a_decision_can_be_sent_again_but_not_turned_round(alice: Person, waiting: str) -> None:
    assert decide(alice, waiting).status_code == 200
    assert decide(alice, waiting).status_code == 200
    turned = decide(alice, waiting, "reject")
    assert (turned.status_code, turned.json()["error"]["code"]) == (409, "nothing_to_decide")
    assert ended(alice, waiting).text == "Noted."
    assert decide(alice, waiting).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"step_id": "9.9", "decision": "approve"},
        {"step_id": "1.1", "decision": "perhaps"},
        {"step_id": "1.1", "decision": "approve", "reason": "Because"},
        {"step_id": "1.1", "decision": "reject", "arguments": {}},
        {"step_id": "1.1", "decision": "reject", "reason": "\x00"},
        {"step_id": "1.1", "decision": "reject", "reason": "\ud800"},
        {"step_id": "1.1", "decision": "approve", "seq": 7},
        {"step_id": "1.1", "decision": "approve", "arguments": [1]},
        {"step_id": "1.1", "decision": "approve", "arguments": {"title": "\x00"}},
        {"step_id": "1.1", "decision": "approve", "arguments": {"title": "x" * 60_000}},
        {"step_id": "1.1", "decision": "approve", "mood": 1},
        {"decision": "approve"},
    ],
)
def test_a_decision_that_makes_no_sense_changes_nothing(
    alice: Person, waiting: str, body: dict[str, Any]
) -> None:
    sent = json.dumps(body).encode()
    refused = alice.http.post(
        f"/api/v1/runs/{waiting}/approvals", content=sent, headers={"Content-Type": "application/json"}
    )
    assert refused.status_code in {409, 422}, refused.text
    assert len(asked(alice, waiting)) == 1


def test_a_run_that_waits_can_be_cancelled(alice: Person, model: ModelServer) -> None:
    model.answers(call("add_todo", title="Milk"))
    waiting = begin(alice, agent(alice, model_id="gpt-4o", **ASKS))
    until_asked(alice, waiting)
    spent = ("provider", "model", "usage", "cost_usd")
    before = alice.http.get(f"/api/v1/runs/{waiting}").json()
    assert [before[name] is None for name in spent] == [False] * 4
    run = alice.http.post(f"/api/v1/runs/{waiting}/cancel").json()
    assert run["status"] == "cancelled"
    assert [run[name] for name in spent] == [before[name] for name in spent]
    assert asked(alice, waiting) == []
    assert decide(alice, waiting).json()["error"]["code"] == "nothing_to_decide"


def test_a_crash_after_the_approval_asks_no_second_time(
    alice: Person, api_database: str, model: ModelServer
) -> None:
    title, better = uuid4().hex, uuid4().hex
    hold = Hold()
    model.answers(call("add_todo", title=title), stream("Half", hold), say("Noted."))
    run_id = begin(alice, agent(alice, **ASKS))
    until_asked(alice, run_id)
    decide(alice, run_id, arguments={"title": better})
    hold.wait()
    forget = "DELETE FROM events WHERE run_id = %s AND type = 'step.finished' AND data ->> 'kind' = 'tool'"
    execute(api_database, forget, run_id)
    expire_leases(api_database)
    heard = ended(alice, run_id)
    hold.open()
    assert heard.text == "Noted."
    assert len([frame for frame in heard.frames if frame["type"] == "approval"]) == 1
    made = execute(api_database, "SELECT title FROM todos WHERE title = ANY(%s)", [title, better])
    assert made == [(better,)]


def test_an_approved_call_of_a_foreign_tool_that_was_cut_is_asked_about_again(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    gate, done = Gate(), list[str]()
    app = letters(gate, done)
    with serve(app) as tools, running_api(database_url, model.url, mcp_url=f"{tools}/mcp") as url:
        alice = person(url)
        model.answers(call("send_letter", to="Bob"), say("Done."))
        run_id = begin(alice, agent(alice, approvals={"not_read_only": True}))
        until_asked(alice, run_id)
        decide(alice, run_id, arguments={"to": "Carol"})
        gate.wait()
        expire_leases(database_url)
        again = until_asked(alice, run_id, times=2)[1]
        assert (again["reason"], again["arguments"]) == ("interrupted", {"to": "Carol"})
        [request] = requests(alice, run_id)
        # The first decision, sent again, is no answer to the second question.
        assert decide(alice, run_id, arguments={"to": "Carol"}).status_code == 200
        assert decide(alice, run_id, seq=request["seq"] - 1).status_code == 409
        assert requests(alice, run_id) == [request]
        decide(alice, run_id, seq=request["seq"])
        assert ended(alice, run_id).text == "Done."
        gate.open()
    assert done == ["Carol", "Carol"]


def test_a_run_whose_agent_was_deleted_ends_as_failed(alice: Person, model: ModelServer) -> None:
    model.answers(call("add_todo", title="Milk"), say("Noted."))
    agent_id = agent(alice, **ASKS)
    run_id = begin(alice, agent_id)
    until_asked(alice, run_id)
    assert alice.http.delete(f"/api/v1/agents/{agent_id}").status_code == 200
    decide(alice, run_id)
    assert ended(alice, run_id).frames[-1]["code"] == "agent_not_found"


def test_a_run_goes_on_with_the_rules_that_it_began_with(alice: Person, model: ModelServer) -> None:
    model.answers(call("add_todo", title="One"), call("add_todo", title="Two"), say("Noted."))
    agent_id = agent(alice, **ASKS)
    run_id = begin(alice, agent_id)
    until_asked(alice, run_id)
    changed = alice.http.patch(f"/api/v1/agents/{agent_id}", json={"approvals": {"tools": []}})
    assert changed.json()["version"] == 2
    decide(alice, run_id)
    assert len(until_asked(alice, run_id, times=2)) == 2
    decide(alice, run_id, step_id="2.1")
    assert ended(alice, run_id).text == "Noted."
    assert alice.http.get(f"/api/v1/runs/{run_id}").json()["agent_version"] == 1


def test_no_arguments_at_all_can_be_put_in(alice: Person, model: ModelServer) -> None:
    model.answers(call("list_todos", status="done"), say("Well."))
    run_id = begin(alice, agent(alice, approvals={"tools": ["list_todos"]}))
    until_asked(alice, run_id)
    decide(alice, run_id, arguments={})
    [begun] = [frame for frame in ended(alice, run_id).frames if frame["type"] == "trace_start"][1:2]
    assert (begun["name"], begun["arguments"]) == ("list_todos", {})


def test_what_was_rejected_twice_is_told_as_that(alice: Person, model: ModelServer) -> None:
    """The next attempt replays both, and has no tools after them."""
    model.answers(call("add_todo", title="Milk"), call("add_todo", title="Milk"), say("As you like."))
    run_id = begin(alice, agent(alice, **ASKS))
    until_asked(alice, run_id)
    decide(alice, run_id, "reject")
    until_asked(alice, run_id, times=2)
    decide(alice, run_id, "reject", step_id="2.1")
    ended(alice, run_id)
    told = [message["content"] for message in model.requests[2]["messages"] if message["role"] == "tool"]
    assert told == ["The user did not allow this call, so it was not made."] * 2


def test_nobody_is_asked_about_a_call_that_cannot_be_made(
    alice: Person, api_database: str, model: ModelServer
) -> None:
    """After the same call twice a model gets no tools, and this one calls one all the same."""
    title = uuid4().hex
    circling = [call("calculator", expression="1+1") for _ in range(2)]
    model.answers(*circling, call("add_todo", title=title), say("Well."))
    answer = with_agent(alice, agent(alice, **ASKS)).json()["data"]
    assert answer["response"] == "Well."
    assert answer["tool_calls"][-1]["error"] == "There is no such tool."
    [(count,)] = execute(api_database, "SELECT count(*) FROM todos WHERE title = %s", title)
    assert count == 0


def test_a_retry_with_its_key_is_told_what_is_left_to_decide(alice: Person, model: ModelServer) -> None:
    model.answers(calls(("add_todo", {"title": "1"}), ("add_todo", {"title": "2"})), say("Noted."))
    path, key = f"/api/{alice.name}/chat", {"Idempotency-Key": "again"}
    body = {"message": "Go on", "agent_id": agent(alice, **ASKS)}
    first = alice.http.post(path, json=body, headers=key).json()["error"]["details"]
    assert [request["step_id"] for request in first["requests"]] == ["1.1", "1.2"]
    decide(alice, first["run_id"], step_id="1.1")
    second = alice.http.post(path, json=body, headers=key).json()["error"]["details"]
    assert [request["step_id"] for request in second["requests"]] == ["1.2"]
    decide(alice, first["run_id"], step_id="1.2")
    assert alice.http.post(path, json=body, headers=key).json()["data"]["response"] == "Noted."


def test_a_retry_with_its_key_needs_no_agent_any_more(alice: Person, model: ModelServer) -> None:
    path, key = f"/api/{alice.name}/chat", {"Idempotency-Key": "again"}
    agent_id = agent(alice)
    body = {"message": "Go on", "agent_id": agent_id}
    first = alice.http.post(path, json=body, headers=key)
    alice.http.delete(f"/api/v1/agents/{agent_id}")
    again = alice.http.post(path, json=body, headers=key)
    assert again.json()["data"]["run_id"] == first.json()["data"]["run_id"]
    assert alice.http.post(path, json=body).json()["error"]["code"] == "agent_not_found"
    assert len(model.requests) == 1


def test_the_outcome_is_told_however_long_the_arguments_are(alice: Person, model: ModelServer) -> None:
    model.answers(call("read_file", path="a.txt"), say("Well."))
    run_id = begin(alice, agent(alice, approvals={"tools": ["read_file"]}))
    until_asked(alice, run_id)
    decide(alice, run_id, arguments={"path": "x" * 40_000})
    ended(alice, run_id)
    [told] = told_of_tools(model.requests[1])
    assert "(cut here: it is too long)" in told
    assert "read_file needs" in told


def test_what_was_interrupted_is_kept_when_the_run_is_cancelled(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    gate, done = Gate(), list[str]()
    with (
        serve(letters(gate, done)) as tools,
        running_api(database_url, model.url, mcp_url=f"{tools}/mcp") as url,
    ):
        alice = person(url)
        model.answers(call("send_letter", to="Bob"))
        run_id = begin(alice, agent(alice))
        gate.wait()
        expire_leases(database_url)
        until_asked(alice, run_id)
        run = alice.http.post(f"/api/v1/runs/{run_id}/cancel").json()
        [made] = alice.messages(run["conversation_id"])[1]["tool_calls"]
        gate.open()
    assert (made["tool"], made["args"]) == ("send_letter", {"to": "Bob"})
    assert "may or may not have happened" in made["error"]


def test_a_run_goes_on_though_the_database_was_away_when_it_was_taken_up(
    alice: Person, waiting: str, api_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = list[int]()

    async def away(*_: Any) -> Any:
        tries.append(1)
        raise OperationalError("SELECT", {}, Exception("gone"))

    with monkeypatch.context() as patched:
        patched.setattr(turn, "agent_of", away)
        decide(alice, waiting)
        while not tries:
            alice.http.get(f"/api/v1/runs/{waiting}")
    expire_leases(api_database)
    assert ended(alice, waiting).text == "Noted."
