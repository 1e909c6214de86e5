"""Agents that change, are archived or are deleted while they answer; what they came to."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import TextClause, text

from chat_api.runs.agent_metrics import OF_ALL, OF_ONE
from kit.postgres import Db
from tests.chat_api.accounts import code_of
from tests.chat_api.conftest import MakePerson
from tests.chat_api.deciding import agent, begin, ended, with_agent
from tests.chat_api.plans import listening
from tests.chat_api.replica import execute, expire_leases
from tests.model_server import Hold, ModelServer, call, say, stream
from tests.servers import Person

AGENTS = "/api/v1/agents"


def chat(person: Person, agent_id: str, accept: str = "*/*", **fields: Any) -> httpx2.Response:
    headers = {"Accept": accept}
    return person.http.post(
        f"/api/agents/{agent_id}/chat", json={"message": "Hello", **fields}, headers=headers
    )


def test_an_archived_agent_takes_no_new_turns(alice: Person, model: ModelServer, api_database: str) -> None:
    agent_id = agent(alice)
    hold = Hold()
    model.answers(stream("Half of it", hold), say("All of it."))
    run_id = begin(alice, agent_id)
    hold.wait()
    archived = alice.http.patch(f"{AGENTS}/{agent_id}", json={"status": "archived"})
    assert archived.json()["status"] == "archived"
    assert code_of(with_agent(alice, agent_id)) == (409, "agent_archived")
    # What was begun goes on, also elsewhere.
    expire_leases(api_database)
    assert ended(alice, run_id).text == "All of it."
    hold.open()
    alice.http.patch(f"{AGENTS}/{agent_id}", json={"status": "active"})
    model.answers(say("Back."))
    assert with_agent(alice, agent_id).status_code == 200


def test_a_turn_that_is_sent_again_is_the_same_whatever_became_of_its_agent(alice: Person) -> None:
    agent_id = agent(alice)
    path, body = f"/api/{alice.name}/chat", {"message": "Hello", "agent_id": agent_id}

    def send(key: str) -> httpx2.Response:
        return alice.http.post(path, json=body, headers={"Idempotency-Key": key})

    key = uuid4().hex
    first = send(key)
    alice.http.patch(f"{AGENTS}/{agent_id}", json={"status": "archived"})
    assert send(key).json()["data"]["run_id"] == first.json()["data"]["run_id"]
    assert code_of(send(uuid4().hex)) == (409, "agent_archived")
    alice.http.delete(f"{AGENTS}/{agent_id}")
    assert send(key).json()["data"]["run_id"] == first.json()["data"]["run_id"]


def test_a_turn_goes_on_whose_agent_is_deleted(alice: Person, model: ModelServer) -> None:
    agent_id = agent(alice, tools=["calculator"])
    hold = Hold()
    model.answers(stream("Half of it", hold, " and the rest."))
    run_id = begin(alice, agent_id)
    hold.wait()
    assert alice.http.delete(f"{AGENTS}/{agent_id}").status_code == 200
    hold.open()
    assert ended(alice, run_id).text == "Half of it and the rest."
    run = alice.http.get(f"/api/v1/runs/{run_id}").json()
    assert (run["status"], run["agent_id"], run["agent_version"]) == ("completed", agent_id, 1)


def test_a_turn_that_is_taken_over_fails_where_its_agent_is_deleted(
    alice: Person, model: ModelServer, api_database: str
) -> None:
    agent_id = agent(alice)
    hold = Hold()
    model.answers(stream("Half of it", hold))
    run_id = begin(alice, agent_id)
    hold.wait()
    assert alice.http.delete(f"{AGENTS}/{agent_id}").status_code == 200
    expire_leases(api_database)
    assert ended(alice, run_id).frames[-1]["code"] == "agent_not_found"
    hold.open()
    run = alice.http.get(f"/api/v1/runs/{run_id}").json()
    assert (run["status"], run["error"]["code"]) == ("failed", "agent_not_found")


def test_an_agent_streams_or_not_where_nobody_says(alice: Person) -> None:
    streaming, whole = agent(alice), agent(alice, streaming=False)
    ndjson, plain = "application/x-ndjson", "application/json"
    cases: list[tuple[str, dict[str, Any], str]] = [
        (streaming, {}, ndjson),
        (streaming, {"stream": False}, plain),
        (whole, {}, plain),
        (whole, {"stream": True}, ndjson),
        ("default", {}, ndjson),
    ]
    for agent_id, said, expected in cases:
        assert chat(alice, agent_id, **said).headers["Content-Type"] == expected
    assert chat(alice, whole, "text/event-stream").headers["Content-Type"].startswith("text/event-stream")
    patched = alice.http.patch(f"{AGENTS}/{whole}", json={"streaming": True})
    assert (patched.json()["streaming"], patched.json()["version"]) == (True, 2)
    assert chat(alice, whole).headers["Content-Type"] == ndjson


def test_a_turn_looks_once_whether_its_agent_may_be_used(alice: Person, person: MakePerson) -> None:
    own = agent(alice)
    shared = agent(other := person())
    alice.say("Hello")
    other.http.put(f"{AGENTS}/{shared}/shares/{alice.name}", json={"right": "use"})
    for agent_id, looks in (("default", 0), (own, 1), (shared, 1)):
        with listening() as heard:
            assert with_agent(alice, agent_id).status_code == 200
        tables = [re.findall(r"FROM (agents|agent_versions)\b", statement) for statement in heard.found]
        assert sorted(filter(None, tables)) == [["agent_versions"], ["agents"]][: 2 * looks]


def measured(person: Person, agent_id: str, **query: str) -> dict[str, Any]:
    response = person.http.get(f"{AGENTS}/{agent_id}/metrics", params=query)
    assert response.status_code == 200, response.text
    return response.json()


def test_an_agents_runs_are_counted_for_its_owner_and_for_who_uses_it(
    alice: Person, person: MakePerson, model: ModelServer, api_database: str
) -> None:
    agent_id, bob = agent(alice), person()
    bob.say("Hello")
    alice.http.put(f"{AGENTS}/{agent_id}/shares/{bob.name}", json={"right": "use"})
    model.answers(call("add_todo", title="Milk"), call("calculator", expression="1 /"), say("Done."))
    runs = [with_agent(alice, agent_id).json()["data"]["run_id"]]
    model.answers(say("One."), say("Two."), say(""))
    runs += [with_agent(bob, agent_id).json()["data"]["run_id"] for _ in range(2)]
    assert code_of(with_agent(bob, agent_id)) == (502, "provider_failed")
    for seconds, run_id in enumerate(runs, 1):
        took = "UPDATE runs SET finished_at = created_at + %s * interval '1 second' WHERE id = %s"
        execute(api_database, took, seconds, run_id)
    found = measured(alice, agent_id)
    assert (found["of"], found["runs"]) == ("everybody", 4)
    assert found["by_status"] == {"completed": 3, "failed": 1}
    assert found["errors"] == {"provider_failed": 1}
    assert (found["latency_ms_p50"], found["latency_ms_p95"]) == (2000.0, 2900.0)
    assert (found["tool_calls"], found["failed_tool_calls"]) == (2, 1)
    assert found["input_tokens"] >= 50
    assert found["output_tokens"] >= 25
    own = measured(bob, agent_id)
    assert (own["of"], own["runs"], own["tool_calls"]) == ("oneself", 3, 0)
    assert own["by_status"] == {"completed": 2, "failed": 1}


def test_an_agent_that_nobody_asked_has_nothing_to_count(alice: Person, person: MakePerson) -> None:
    agent_id = agent(alice)
    with_agent(alice, agent_id)
    later = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    found = measured(alice, agent_id, since=later, until=later)
    assert (found["runs"], found["by_status"], found["errors"]) == (0, {}, {})
    assert (found["latency_ms_p50"], found["cost_usd"]) == (None, "0")
    assert person().http.get(f"{AGENTS}/{agent_id}/metrics").status_code == 404
    bad = alice.http.get(f"{AGENTS}/{agent_id}/metrics", params={"since": "2020-01-01T00:00:00Z"})
    assert code_of(bad) == (422, "invalid_request")


@pytest.mark.anyio
@pytest.mark.parametrize("statement", [OF_ALL, OF_ONE], ids=["owner", "user"])
async def test_metrics_are_read_from_indexes(db: Db, statement: TextClause) -> None:
    at = datetime.now(UTC)
    parameters = {"agent_id": uuid4(), "user_id": uuid4(), "since": at, "until": at}
    async with db() as session:
        # There is nothing that an index would be shorter for.
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join(await session.scalars(text(f"EXPLAIN {statement.text}"), parameters))
    assert "Seq Scan" not in plan
    assert re.search(r"Index Cond: .*agent_id", plan)


def test_leaving_an_agent_is_safe_to_repeat_and_tells_nothing(alice: Person, person: MakePerson) -> None:
    bob, stranger = person(), person()
    bob.say("Hello")
    stranger.say("Hello")
    path = f"{AGENTS}/{agent(alice)}/shares"
    assert alice.http.put(f"{path}/{bob.name}", json={"right": "use"}).status_code == 200
    answers = [bob.http.delete(f"{path}/{bob.name}") for _ in range(2)]
    assert alice.http.get(path).json()["shares"] == []
    nowhere = f"{AGENTS}/{uuid4()}/shares"
    answers += [stranger.http.delete(f"{each}/{stranger.name}") for each in (path, nowhere)]
    assert {(answer.status_code, answer.text) for answer in answers} == {(200, answers[0].text)}
    for who in (bob.name, "everyone", "nobody-at-all"):
        refused = [stranger.http.delete(f"{each}/{who}").status_code for each in (path, nowhere)]
        assert refused == [404, 404]
