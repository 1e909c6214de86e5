"""Agents whose users are asked, and deciding about what they are asked."""

from typing import Any

import httpx2

from tests.chat_api.sockets import Frame, talking
from tests.chat_api.streams import SSE, Heard, frames
from tests.servers import Person

__all__ = [
    "agent",
    "asked",
    "begin",
    "decide",
    "ended",
    "requests",
    "told_of_tools",
    "until_asked",
    "with_agent",
]


def agent(person: Person, **fields: Any) -> str:
    """Make an agent; return its id."""
    body = {"name": "Careful", "system_prompt": "You are careful.", **fields}
    made = person.http.post("/api/v1/agents", json=body)
    assert made.status_code == 201, made.text
    return made.json()["agent_id"]


def begin(person: Person, agent_id: str, message: str = "Go on") -> str:
    """Take a turn without waiting for it; return the id of its run."""
    response = person.http.post(
        f"/api/{person.name}/chat",
        json={"message": message, "agent_id": agent_id},
        headers={"Prefer": "respond-async"},
    )
    assert response.status_code == 202, response.text
    return response.json()["data"]["run_id"]


def with_agent(person: Person, agent_id: str, message: str = "Go on") -> httpx2.Response:
    """Take a turn and wait for its answer."""
    body = {"message": message, "agent_id": agent_id}
    return person.http.post(f"/api/{person.name}/chat", json=body)


def until_asked(person: Person, run_id: str, times: int = 1, accept: str = SSE) -> list[Frame]:
    """Follow the run until it has asked so often; return what it asked."""
    heard = Heard()
    with person.http.stream("GET", f"/api/v1/runs/{run_id}/events", headers={"Accept": accept}) as response:
        for number, frame in frames(response):
            heard.take(number, frame)
            requests = [frame for frame in heard.frames if frame["type"] == "approval"]
            if len(requests) == times:
                return requests
    raise AssertionError(f"the run ended without asking: {heard.frames}")


def asked(person: Person, run_id: str) -> list[dict[str, Any]]:
    """What the run waits for now."""
    return [
        {name: value for name, value in request.items() if name != "seq"}
        for request in requests(person, run_id)
    ]


def requests(person: Person, run_id: str) -> list[dict[str, Any]]:
    """What the run waits for now, with the numbers of the events that asked."""
    response = person.http.get(f"/api/v1/runs/{run_id}/approvals")
    assert response.status_code == 200, response.text
    return response.json()["requests"]


def decide(
    person: Person, run_id: str, decision: str = "approve", step_id: str = "1.1", **fields: Any
) -> httpx2.Response:
    body = {"step_id": step_id, "decision": decision, **fields}
    return person.http.post(f"/api/v1/runs/{run_id}/approvals", json=body)


def ended(person: Person, run_id: str) -> Heard:
    """What its stream says from the start to the end of the run."""
    heard = Heard()
    with person.http.stream("GET", f"/api/v1/runs/{run_id}/events", headers={"Accept": SSE}) as response:
        for number, frame in frames(response):
            heard.take(number, frame)
    assert heard.ended
    return heard


def told_of_tools(request: dict[str, Any]) -> list[str]:
    """What a model is told that the tools of this turn came to."""
    return [message["content"] for message in request["messages"] if message["role"] == "tool"]


def over_socket(person: Person, run_id: str) -> tuple[list[Frame], list[Frame]]:
    """The frames of a run over a WebSocket, up to its question, and after it was approved."""
    with talking(person) as talk:
        talk.say("subscribe", scope="run", run_id=run_id)
        before = talk.until(lambda frame: frame["type"] == "approval")
        assert decide(person, run_id).status_code == 200
        return before, talk.to_the_end(run_id)
