"""Listing runs: every filter, pages under concurrent turns, and whose they are."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.chat_api.conftest import MakePerson
from tests.chat_api.replica import Gate, execute, in_thread
from tests.model_server import ModelServer, call, say
from tests.servers import Person


def runs(person: Person, **query: Any) -> list[dict[str, Any]]:
    response = person.http.get("/api/v1/runs", params=query)
    assert response.status_code == 200, response.text
    return response.json()["runs"]


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [run["id"] for run in found]


def agent_of(person: Person) -> str:
    body = {"name": "Mine", "system_prompt": "Be brief."}
    return person.http.post("/api/v1/agents", json=body).json()["agent_id"]


def test_a_run_says_who_answered_how_long_it_took_and_what_of(alice: Person, model: ModelServer) -> None:
    agent_id = agent_of(alice)
    model.answers(call("add_todo", title="Milk"), say("Noted."))
    turn = alice.http.post(f"/api/agents/{agent_id}/chat", json={"message": "Buy milk", "stream": False})
    [run] = runs(alice)
    assert turn.status_code == 200
    assert (run["agent_id"], run["agent_version"], run["attempt"]) == (agent_id, 1, 1)
    assert (run["provider"], run["error"]) == ("openai", None)
    assert run["usage"]["requests"] == 2
    ended = datetime.fromisoformat(run["finished_at"]) - datetime.fromisoformat(run["created_at"])
    assert run["latency_ms"] == pytest.approx(ended.total_seconds() * 1000, abs=0.1)
    steps = alice.http.get(f"/api/v1/runs/{run['id']}/steps").json()["steps"]
    assert [(step["kind"], step["name"], step["status"]) for step in steps] == [
        ("model", run["model"], "completed"),
        ("tool", "add_todo", "completed"),
        ("model", run["model"], "completed"),
    ]
    assert all(step["latency_ms"] > 0 and step["started_at"] and step["finished_at"] for step in steps)
    assert [step["input_tokens"] for step in steps] == [10, None, 10]


def test_runs_are_filtered_by_whatever_tells_them_apart(
    alice: Person, api_database: str, model: ModelServer
) -> None:
    agent_id = agent_of(alice)
    plain = alice.say("Hello")
    alice.http.post(f"/api/agents/{agent_id}/chat", json={"message": "Hello", "stream": False})
    model.answers(lambda _: say(""))
    assert alice.post("And now?", plain["conversation_id"]).status_code >= 500
    failed, of_agent, first = ids(runs(alice))
    execute(api_database, "UPDATE runs SET provider = 'other', model = 'm' WHERE id = %s", first)
    began = {run["id"]: datetime.fromisoformat(run["created_at"]) for run in runs(alice)}

    assert ids(runs(alice, agent_id=agent_id)) == [of_agent]
    assert ids(runs(alice, agent_id="default")) == [failed, first]
    assert ids(runs(alice, conversation_id=plain["conversation_id"])) == [failed, first]
    assert ids(runs(alice, status="failed")) == [failed]
    assert ids(runs(alice, status=["failed", "completed"])) == [failed, of_agent, first]
    assert ids(runs(alice, provider="other")) == ids(runs(alice, model="m")) == [first]
    assert ids(runs(alice, since=began[of_agent].isoformat())) == [failed, of_agent]
    assert ids(runs(alice, until=began[of_agent].isoformat())) == [first]
    assert runs(alice, since=(began[failed] + timedelta(seconds=1)).isoformat()) == []
    assert runs(alice, unfinished="true") == runs(alice, unfinished="true", status="completed") == []


def test_runs_that_are_not_over_are_found(alice: Person, model: ModelServer) -> None:
    alice.say("Hello")
    gate = Gate()
    model.answers(gate.before(say("Here.")))
    with in_thread(lambda: alice.post("Wait")):
        gate.wait()
        [live] = runs(alice, unfinished="true")
        assert (live["status"], live["latency_ms"], live["cost_usd"]) == ("running", None, None)
        assert ids(runs(alice, status=["running", "queued"])) == [live["id"]]
        gate.open()


def test_pages_skip_and_repeat_nothing_while_turns_are_taken(alice: Person) -> None:
    before = [alice.say("Hello")["run_id"] for _ in range(7)]
    found, cursor = list[str](), None
    with ThreadPoolExecutor(1) as pool:
        while True:
            pool.submit(alice.say, "Meanwhile").result()
            query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = alice.http.get("/api/v1/runs", params=query).json()
            found += ids(page["runs"])
            cursor = page["next_cursor"]
            if cursor is None:
                break
    # The first page has the turn that was taken just before it.
    assert found[1:] == before[::-1]


def test_somebody_elses_runs_are_not_listed_whatever_is_asked(alice: Person, person: MakePerson) -> None:
    alice.say("Hello")
    alice.say("Hello")
    cursor = alice.http.get("/api/v1/runs", params={"limit": 1}).json()["next_cursor"]
    mallory = person()
    [run, _] = runs(alice)
    assert runs(mallory) == runs(mallory, conversation_id=run["conversation_id"]) == []
    assert runs(mallory, cursor=cursor) == []


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "forged"},
        {"cursor": "eyJhdCI6IjEifQ"},
        {"status": "done"},
        {"since": "2026-01-01T00:00:00"},
        {"limit": 0},
        {"model": "\x00"},
    ],
)
def test_what_is_no_query_is_refused(alice: Person, query: dict[str, Any]) -> None:
    assert alice.http.get("/api/v1/runs", params=query).status_code == 422
