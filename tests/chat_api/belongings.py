"""What somebody has: a real thing for each id that a path has a slot for."""

import re
from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

from tests.chat_api.foreign import register
from tests.chat_api.registering import REGISTER, fresh, tool
from tests.servers import Person

__all__ = ["BELONGINGS", "NO_IDS", "slots_of"]

_SLOT: Final = re.compile(r"\{(\w+)(?::\w+)?\}")


def slots_of(path: str) -> list[str]:
    return _SLOT.findall(path)


def _made(person: Person, path: str, body: dict[str, Any], id_: str) -> str:
    response = person.http.post(path, json=body)
    assert response.status_code in {200, 201}, response.text
    return response.json()[id_]


def _agent(person: Person) -> str:
    return _made(person, "/api/v1/agents", {"name": "Mine", "system_prompt": "You are mine."}, "agent_id")


def _key(person: Person) -> str:
    return _made(person, "/api/v1/api-keys", {"name": "Mine"}, "key_id")


def _server(person: Person) -> str:
    return register(person, "https://mcp.example.com/mcp", f"s{uuid4().hex[:12]}")


def _provider(person: Person) -> str:
    body = {"name": f"p{uuid4().hex[:12]}", "base_url": "https://models.example.com/v1"}
    return _made(person, "/api/v1/providers", body, "id")


def _todo(person: Person) -> str:
    return _made(person, "/api/v1/todos", {"title": "Mine"}, "id")


def _tool(person: Person) -> str:
    return _made(person, REGISTER, tool(fresh()), "tool_id")


def _message(person: Person) -> str:
    """An answer in the newest conversation."""
    listed = person.http.get("/api/v1/conversations", params={"limit": 1}).json()["conversations"]
    newest = listed[0]["conversation_id"] if listed else person.say("Hello")["conversation_id"]
    return next(message["id"] for message in person.messages(newest) if message["role"] == "assistant")


def _thread(person: Person) -> str:
    """A conversation with the newest agent."""
    agents = person.http.get("/api/v1/agents", params={"shared": False}).json()["agents"]
    path = f"/api/v1/agents/{agents[0]['agent_id'] if agents else _agent(person)}/chat"
    response = person.http.post(path.replace("/v1", ""), json={"message": "Hello", "stream": False})
    assert response.status_code == 200, response.text
    return response.json()["data"]["conversation_id"]


def _account(person: Person) -> str:
    # Who only looks is not kept.
    person.say("Hello")
    return person.http.get("/api/v1/auth/me").json()["id"]


BELONGINGS: Final[dict[str, Callable[[Person], str]]] = {
    "account_id": _account,
    "agent_id": _agent,
    "conversation_id": lambda person: person.say("Hello")["conversation_id"],
    "key_id": _key,
    "message_id": _message,
    "provider_id": _provider,
    "run_id": lambda person: person.say("Hello")["run_id"],
    "server_id": _server,
    "thread_id": _thread,
    "todo_id": _todo,
    "tool_id": _tool,
    "user_id": lambda person: person.name,
}
"""By the name of the slot: makes one that is the person's, and returns its id."""

NO_IDS: Final = {"name": "add_todo", "provider": "openai", "version": "1", "who": "neighbour"}
"""Slots that hold no id of anything, with something to put there."""
