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


def _tool(person: Person) -> str:
    return _made(person, REGISTER, tool(fresh()), "tool_id")


def _account(person: Person) -> str:
    # Who only looks is not kept.
    person.say("Hello")
    return person.http.get("/api/v1/auth/me").json()["id"]


BELONGINGS: Final[dict[str, Callable[[Person], str]]] = {
    "account_id": _account,
    "agent_id": _agent,
    "conversation_id": lambda person: person.say("Hello")["conversation_id"],
    "key_id": _key,
    "run_id": lambda person: person.say("Hello")["run_id"],
    "server_id": _server,
    "tool_id": _tool,
    "user_id": lambda person: person.name,
}
"""By the name of the slot: makes one that is the person's, and returns its id."""

NO_IDS: Final = {"name": "add_todo"}
"""Slots that hold no id of anything, with something to put there."""
