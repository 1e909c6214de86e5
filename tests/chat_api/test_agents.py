"""Agents: assistants of one's own."""

from functools import reduce
from typing import Any
from uuid import uuid4

import pytest

from tests.chat_api.conftest import MakePerson
from tests.chat_api.deciding import agent, with_agent
from tests.chat_api.replica import running_api
from tests.model_server import ModelServer, call, say
from tests.servers import Person

AGENTS = "/api/v1/agents"
NESTED: dict[str, Any] = reduce(lambda inner, _: {"x": inner}, range(10), {})
"""Once more than metadata may."""


def test_an_agent_answers_with_its_own_prompt_and_tools(alice: Person, model: ModelServer) -> None:
    agent_id = agent(alice, system_prompt="You are a pirate.", tools=["calculator"])
    model.answers(say("Arr."))
    answer = with_agent(alice, agent_id).json()["data"]
    assert answer["response"] == "Arr."
    [request] = model.requests
    assert request["messages"][0]["content"].startswith("You are a pirate.\nToday is ")
    assert [tool["function"]["name"] for tool in request["tools"]] == ["calculator"]
    run = alice.http.get(f"/api/v1/runs/{answer['run_id']}").json()
    assert (run["agent_id"], run["agent_version"]) == (agent_id, 1)


def test_an_agent_has_what_was_said_of_it_and_the_usual_for_the_rest(alice: Person) -> None:
    said: dict[str, Any] = {
        "name": "Librarian",
        "description": "Knows every book",
        "system_prompt": "You know every book.",
        "provider": "ollama",
        "model_id": "neural-chat",
        "tools": ["calculator"],
        "temperature": 0,
        "max_tokens": 4096,
        "streaming": False,
        "approvals": {"tools": [], "not_read_only": True},
        "metadata": {"colour": "blue", "nested": NESTED["x"]["x"]},
    }
    made = alice.http.post("/api/agents", json=said)
    assert made.status_code == 201
    assert {name: made.json()[name] for name in said} == said
    assert made.json().keys() - said.keys() == {
        *("agent_id", "version", "status", "right", "owner", "created_at", "updated_at")
    }
    assert alice.http.get(f"/api/agents/{made.json()['agent_id']}").json() == made.json()
    plain = alice.http.post(AGENTS, json={"name": "A", "system_prompt": "B"}).json()
    assert (plain["temperature"], plain["max_tokens"], plain["streaming"]) == (0.7, 2048, True)
    assert [plain[name] for name in ("provider", "model_id", "tools")] == [None] * 3
    as_provider = agent(alice, temperature=None, max_tokens=None)
    found = alice.http.get(f"{AGENTS}/{as_provider}").json()
    assert (found["temperature"], found["max_tokens"]) == (None, None)


def test_what_may_be_nothing_is_taken_back_by_null(alice: Person) -> None:
    agent_id = agent(alice, description="x", provider="ollama", model_id="y", tools=[], metadata={"z": 1})
    nothing = dict.fromkeys(("description", "provider", "model_id", "tools", "temperature", "max_tokens"))
    changed = alice.http.patch(f"{AGENTS}/{agent_id}", json={**nothing, "metadata": {}}).json()
    assert {name: changed[name] for name in nothing} == nothing
    assert (changed["metadata"], changed["name"], changed["version"]) == ({}, "Careful", 2)


def test_an_operator_says_how_long_answers_may_be(
    alice: Person, api_database: str, model: ModelServer, person: MakePerson
) -> None:
    refused = alice.http.post(AGENTS, json={"name": "A", "system_prompt": "B", "max_tokens": 4097})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "too_many_tokens")
    assert refused.json()["error"]["details"] == {"most": 4096}
    agent_id = agent(alice)
    path = f"{AGENTS}/{agent_id}"
    assert alice.http.patch(path, json={"max_tokens": 4097}).json()["error"]["code"] == "too_many_tokens"
    turn = alice.http.post(f"/api/{alice.name}/chat", json={"message": "Hello", "max_tokens": 4097})
    assert (turn.status_code, turn.json()["error"]["code"]) == (422, "too_many_tokens")
    with running_api(api_database, model.url, agent_max_tokens=8192) as generous:
        talker = person(generous)
        talkative = agent(talker, max_tokens=8192)
    with running_api(api_database, model.url, agent_max_tokens=1000) as careful:
        bob = person(careful)
        plain = {"name": "A", "system_prompt": "B"}
        made = [bob.http.post(AGENTS, json=plain).json()]
        made.append(bob.http.put(f"{AGENTS}/{made[0]['agent_id']}", json={**plain, "name": "C"}).json())
        made += bob.http.post(f"{AGENTS}/bulk", json={"agents": [plain]}).json()["agents"]
        assert [each["max_tokens"] for each in made] == [1000] * 3
        refused = bob.http.post(AGENTS, json={**plain, "max_tokens": 2048})
        assert refused.json()["error"]["details"] == {"most": 1000}
        # One that was made when more was allowed.
        assert with_agent(Person(careful, talker.name), talkative).is_success
        assert model.requests[-1]["max_tokens"] == 1000


def test_an_agent_without_tools_is_offered_none(alice: Person, model: ModelServer) -> None:
    agent_id = agent(alice, tools=[])
    model.answers(call("add_todo", title="x"), say("I cannot."))
    assert with_agent(alice, agent_id).json()["data"]["tool_calls"][0]["error"] == "There is no such tool."
    assert "tools" not in model.requests[0]


def test_an_agent_answers_at_the_path_that_names_it(alice: Person, model: ModelServer) -> None:
    agent_id = agent(alice, system_prompt="You are a pirate.")
    model.answers(say("Arr."))
    body = {"message": "Hello", "stream": False}
    answer = alice.http.post(f"/api/agents/{agent_id}/chat", json=body)
    assert answer.json()["data"]["response"] == "Arr."
    assert model.requests[0]["messages"][0]["content"].startswith("You are a pirate.")


def test_a_changed_agent_answers_the_next_message(alice: Person, model: ModelServer) -> None:
    agent_id = agent(alice)
    changed = alice.http.patch(f"{AGENTS}/{agent_id}", json={"system_prompt": "You are a bear.", "tools": []})
    assert (changed.json()["version"], changed.json()["name"]) == (2, "Careful")
    assert with_agent(alice, agent_id).status_code == 200
    assert model.requests[0]["messages"][0]["content"].startswith("You are a bear.")


def test_agents_are_listed_the_newest_first(alice: Person) -> None:
    made = [agent(alice, name=f"Number {number}") for number in range(3)]
    page = alice.http.get(AGENTS, params={"limit": 2, "shared": False}).json()
    assert [found["agent_id"] for found in page["agents"]] == made[:0:-1]
    assert (page["total"], page["limit"], page["offset"]) == (3, 2, 0)
    rest = alice.http.get("/api/agents", params={"limit": 2, "offset": 2, "shared": False}).json()
    assert [found["agent_id"] for found in rest["agents"]] == made[:1]


def test_a_deleted_agent_is_gone(alice: Person) -> None:
    agent_id = agent(alice)
    assert alice.http.delete(f"{AGENTS}/{agent_id}").json()["success"] is True
    assert alice.http.get(f"{AGENTS}/{agent_id}").status_code == 404
    refused = with_agent(alice, agent_id)
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "agent_not_found")


def test_the_second_of_two_editors_is_told(alice: Person) -> None:
    agent_id = agent(alice)
    etag = alice.http.get(f"{AGENTS}/{agent_id}").headers["ETag"]

    def rename(name: str) -> Any:
        return alice.http.patch(f"{AGENTS}/{agent_id}", json={"name": name}, headers={"If-Match": etag})

    assert rename("First").headers["ETag"] == '"2"'
    refused = rename("Second")
    assert (refused.status_code, refused.json()["error"]["code"]) == (412, "agent_changed")
    assert alice.http.get(f"{AGENTS}/{agent_id}").json()["name"] == "First"


def test_a_change_to_what_it_was_makes_no_version(alice: Person) -> None:
    agent_id = agent(alice)
    assert alice.http.patch(f"{AGENTS}/{agent_id}", json={"name": "Careful"}).json()["version"] == 1
    assert alice.http.patch(f"{AGENTS}/{agent_id}", json={}).json()["version"] == 1


def test_an_agent_of_somebody_else_is_not_there(
    alice: Person, person: MakePerson, model: ModelServer
) -> None:
    agent_id, mallory = agent(alice), person()
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("PATCH", ""),
        ("PUT", "/tools/calculator"),
        ("DELETE", "/tools/calculator"),
    ):
        body = {"name": "Mine"} if method == "PATCH" else None
        refused = mallory.http.request(method, f"{AGENTS}/{agent_id}{path}", json=body)
        assert refused.json()["error"]["code"] == "agent_not_found"
    assert with_agent(mallory, agent_id).json()["error"]["code"] == "agent_not_found"
    assert mallory.http.get(f"/api/v1/tools/{agent_id}").status_code == 404
    assert agent_id not in mallory.http.get(AGENTS).text
    assert not model.requests


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "x" * 256},
        {"name": "\x00"},
        {"system_prompt": " "},
        {"system_prompt": "x" * 50_001},
        {"tools": ["no such name!"]},
        {"tools": "calculator"},
        {"approvals": {"tools": ["a b"]}},
        {"approvals": {"always": True}},
        {"mood": "good"},
        {"temperature": 2.1},
        {"temperature": -0.1},
        {"max_tokens": 99},
        {"provider": "Open AI"},
        {"model_id": " "},
        {"description": "x" * 2001},
        {"streaming": "often"},
        {"metadata": []},
        {"metadata": {"x": "é" * 8192}},
        {"metadata": {"x": "\x00"}},
        {"metadata": {"x": [1e308] * 60}},
        {"metadata": NESTED},
    ],
)
def test_an_agent_that_makes_no_sense_is_refused(alice: Person, fields: dict[str, Any]) -> None:
    body = {"name": "A", "system_prompt": "B", **fields}
    refused = alice.http.post(AGENTS, json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_request")


def test_numbers_are_kept_as_they_come_back(alice: Person) -> None:
    metadata: dict[str, Any] = {"x": [1e300] * 50, "y": [-0.0, 1e15, 2.5e16]}
    path = f"{AGENTS}/{agent(alice, metadata=metadata)}"
    kept = alice.http.get(f"{path}/export").json()["metadata"]
    assert [[float(number) for number in kept[name]] for name in metadata] == list(metadata.values())
    assert alice.http.patch(path, json={"metadata": metadata}).json()["version"] == 1


def test_an_unknown_agent_is_not_found(alice: Person) -> None:
    assert with_agent(alice, str(uuid4())).status_code == 404
    assert with_agent(alice, "somebody").status_code == 422


def test_tools_are_attached_and_detached(alice: Person) -> None:
    agent_id = agent(alice, tools=["calculator"])
    path = f"{AGENTS}/{agent_id}/tools"
    assert alice.http.put(f"{path}/add_todo").json()["tools"] == ["calculator", "add_todo"]
    assert alice.http.put(f"{path}/add_todo").json()["version"] == 2
    assert alice.http.delete(f"{path}/calculator").json()["tools"] == ["add_todo"]
    found = alice.http.get(f"/api/v1/tools/{agent_id}").json()
    assert (found["agent_id"], found["tools"]) == (agent_id, ["add_todo"])
    [details] = found["tool_details"]
    assert (details["name"], details["source"], details["read_only"]) == ("add_todo", "built_in", False)


def test_an_agent_that_may_call_all_keeps_the_others(alice: Person) -> None:
    agent_id = agent(alice)
    everything = alice.http.get(f"/api/tools/{agent_id}").json()["tools"]
    left = alice.http.delete(f"{AGENTS}/{agent_id}/tools/run_python").json()["tools"]
    assert left == [name for name in everything if name != "run_python"]
    assert len(left) > 10


@pytest.mark.parametrize("fields", [{"tools": ["calculater"]}, {"approvals": {"tools": ["calculater"]}}])
def test_a_tool_that_there_is_not_is_named(alice: Person, fields: dict[str, Any]) -> None:
    body = {"name": "A", "system_prompt": "B", **fields}
    refused = alice.http.post(AGENTS, json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "unknown_tools")
    assert refused.json()["error"]["details"] == {"tools": ["calculater"]}
    agent_id = agent(alice)
    assert alice.http.patch(f"{AGENTS}/{agent_id}", json=fields).status_code == 422
    assert alice.http.put(f"{AGENTS}/{agent_id}/tools/calculater").status_code == 422


def test_tools_of_another_server_can_be_named_while_it_is_away(alice: Person, person: MakePerson) -> None:
    admin = person(roles=["admin"])
    body = {"name": "library", "url": "http://127.0.0.1:9/mcp"}
    assert admin.http.post("/api/v1/mcp-servers", json=body).status_code == 201
    assert agent(admin, tools=["library__lend"])
    stranger = {"name": "A", "system_prompt": "B", "approvals": {"tools": ["library__lend"]}}
    assert alice.http.post(AGENTS, json=stranger).json()["error"]["code"] == "unknown_tools"


def test_an_agent_with_as_many_tools_as_there_may_be_takes_no_more(alice: Person) -> None:
    agent_id = agent(alice, tools=["calculator"] * 200)
    refused = alice.http.put(f"{AGENTS}/{agent_id}/tools/add_todo")
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "too_many_tools")
    assert len(alice.http.get(f"{AGENTS}/{agent_id}").json()["tools"]) == 200


@pytest.mark.parametrize(
    ("tag", "wanted"),
    [
        ('"1"', 200),
        ("*", 200),
        ('"7", "1"', 200),
        ('"7"', 412),
        ('W/"1"', 412),
        ('"elsewhere"', 412),
        ("1", 422),
        ('"1', 422),
        ('"1" "2"', 422),
        ('*, "1"', 422),
        (",", 422),
    ],
)
def test_a_change_is_held_to_the_version_that_it_is_made_to(alice: Person, tag: str, wanted: int) -> None:
    headers = {"If-Match": tag}
    path = f"{AGENTS}/{agent(alice, tools=[])}"
    assert alice.http.put(f"{path}/tools/calculator", headers=headers).status_code == wanted
    path = f"{AGENTS}/{agent(alice)}"
    assert alice.http.patch(path, json={"name": "B"}, headers=headers).status_code == wanted
    path = f"{AGENTS}/{agent(alice)}"
    assert alice.http.delete(path, headers=headers).status_code == wanted


def test_a_rule_that_a_change_does_not_name_stays(alice: Person) -> None:
    path = f"{AGENTS}/{agent(alice, approvals={'not_read_only': True})}"
    changed = alice.http.patch(path, json={"approvals": {"tools": ["calculator"]}}).json()
    assert changed["approvals"] == {"tools": ["calculator"], "not_read_only": True}
