"""Decisions that come twice, too late, from strangers, or meet a crash."""

from typing import Any
from uuid import uuid4

import pytest
from mcp.server.mcpserver import MCPServer

from tests.chat_api.conftest import MakePerson
from tests.chat_api.deciding import agent, asked, begin, decide, ended, until_asked
from tests.chat_api.replica import Gate, execute, expire_leases, running_api
from tests.model_server import Hold, ModelServer, call, say, serve, stream
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
    refused = alice.http.post(f"/api/v1/runs/{waiting}/approvals", json=body)
    assert refused.status_code in {409, 422}, refused.text
    assert len(asked(alice, waiting)) == 1


def test_a_run_that_waits_can_be_cancelled(alice: Person, waiting: str) -> None:
    assert alice.http.post(f"/api/v1/runs/{waiting}/cancel").json()["status"] == "cancelled"
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
    foreign = MCPServer("foreign")

    @foreign.tool()
    async def send_letter(to: str) -> str:
        """Send a letter."""
        done.append(to)
        if len(done) == 1:
            await gate.before(say(""))({})
        return "sent"

    app = foreign.streamable_http_app(stateless_http=True)
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
        decide(alice, run_id)
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
    changed = alice.http.patch(f"/api/v1/agents/{agent_id}", json={"approvals": {}})
    assert changed.json()["version"] == 2
    decide(alice, run_id)
    assert len(until_asked(alice, run_id, times=2)) == 2
    decide(alice, run_id, step_id="2.1")
    assert ended(alice, run_id).text == "Noted."
    assert alice.http.get(f"/api/v1/runs/{run_id}").json()["agent_version"] == 1
