"""Who asks, and what the ids in the paths are of."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from uuid import uuid4

from tests.chat_api.belongings import BELONGINGS, NO_IDS, slots_of
from tests.chat_api.foreign import serving
from tests.chat_api.registering import CUSTOM
from tests.servers import Person, token_for

__all__ = ["Crowd", "gather"]

_KEPT: Final = frozenset({"GET", "POST"})
_OF_ADMINS: Final = frozenset({"users", "tools"})


class Crowd:
    """Each room of the API has a person of its own, so that what is made in one does not slow the others."""

    def __init__(self, base_url: str, shared_server: str) -> None:
        self.base_url = base_url
        self._shared_server = shared_server
        self._people: dict[str, Person] = {}
        self._things: dict[tuple[str, ...], str] = {}

    def headers(self, path: str) -> dict[str, str]:
        room = _room(path)
        token = token_for(self._who(room).name, **_claims(room))
        return {"Authorization": f"Bearer {token}"}

    def things_for(self, method: str, path: str) -> dict[str, str]:
        """Something that is there for each slot; what is changed or deleted is not what others read."""
        return {slot: self._thing(method, path, slot) for slot in slots_of(path)}

    def leave(self) -> None:
        """Let others come, with other things and no custom tools: there are bounds on what one may have."""
        admin = self._who("tools").http
        for tool in admin.get(CUSTOM).json()["tools"]:
            admin.delete(f"{CUSTOM}/{tool['tool_id']}")
        for person in self._people.values():
            person.http.close()
        self._people.clear()
        self._things.clear()

    def _who(self, room: str) -> Person:
        if room not in self._people:
            self._people[room] = Person(self.base_url, f"{room}-{uuid4().hex[:8]}", **_claims(room))
        return self._people[room]

    def _thing(self, method: str, path: str, slot: str) -> str:
        if slot in NO_IDS:
            return NO_IDS[slot]
        if slot == "server_id" and method in _KEPT:
            return self._shared_server
        # An account is not the admin's own, which is not to be disabled.
        owner = "others" if slot == "account_id" else _room(path)
        place = (slot, owner, "" if method in _KEPT else method)
        if place not in self._things:
            self._things[place] = BELONGINGS[slot](self._who(owner))
        return self._things[place]


def _room(path: str) -> str:
    return path.removeprefix("/api/").removeprefix("v1/").partition("/")[0]


def _claims(room: str) -> dict[str, Any]:
    return {"roles": ["admin"]} if room in _OF_ADMINS else {}


@contextmanager
def gather(base_url: str) -> Generator[Crowd]:
    """With an MCP server of everybody's that can be reached."""
    with ExitStack() as stack:
        library = stack.enter_context(serving())
        admin = Person(base_url, "registrar", roles=["admin"])
        stack.enter_context(admin.http)
        body = {"name": "library", "url": library.url, "shared": True}
        made = admin.http.post("/api/v1/mcp-servers", json=body)
        assert made.status_code == 201, made.text
        crowd = Crowd(base_url, made.json()["id"])
        stack.callback(crowd.leave)
        yield crowd
