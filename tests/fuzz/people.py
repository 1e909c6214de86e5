"""Who asks, and what the ids in the paths are of."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, cast
from uuid import uuid4

import httpx2
from starlette.responses import Response

from tests.chat_api.accounts import PASSWORD, Someone, register
from tests.chat_api.belongings import BELONGINGS, NO_IDS, slots_of
from tests.chat_api.deciding import agent, begin, until_asked
from tests.chat_api.foreign import serving
from tests.chat_api.registering import CUSTOM
from tests.model_server import Chat, call, say
from tests.servers import Person, token_for

__all__ = ["Crowd", "answer", "gather"]

_KEPT: Final = frozenset({"GET", "POST"})
_OF_ADMINS: Final = frozenset({"users", "tools"})
_ASKING: Final = "Add something, and ask me before."


class Crowd:
    """Each room of the API has a person of its own, so that what is made in one does not slow the others."""

    def __init__(self, base_url: str, shared_server: str) -> None:
        self.base_url = base_url
        self._shared_server = shared_server
        self._people: dict[str, Person] = {}
        self._things: dict[tuple[str, ...], str] = {}
        self._account: Someone | None = None

    def headers(self, path: str) -> dict[str, str]:
        room = _room(path)
        if room == "auth":
            token = self._logged_in().tokens["access_token"]
        else:
            token = token_for(self._who(room).name, **_claims(room))
        return {"Authorization": f"Bearer {token}"}

    def make_real(self, case: Any) -> None:
        """Put something that is there into each slot, and what cannot be guessed in the place of a guess."""
        case.path_parameters = {slot: self._thing(case, slot) for slot in slots_of(case.path)}
        if "if-match" in case.headers:
            case.headers["if-match"] = '"1"'
        if isinstance(case.body, dict):
            body = cast("dict[str, Any]", case.body)
            known: dict[str, Any] = {"url": "https://mcp.example.com/mcp", "step_id": "1.1", "version": 1}
            known["email"] = _address()
            if _room(case.path) == "auth":
                known |= {"refresh_token": self._logged_in().refresh_token, "current_password": PASSWORD}
            case.body = body | {name: known[name] for name in known if name in body}

    def leave(self) -> None:
        """Let others come, with other things and no custom tools: there are bounds on what one may have."""
        admin = self._who("tools").http
        for tool in admin.get(CUSTOM).json()["tools"]:
            admin.delete(f"{CUSTOM}/{tool['tool_id']}")
        for person in self._people.values():
            person.http.close()
        if self._account is not None:
            self._account.http.close()
        self._people.clear()
        self._things.clear()
        self._account = None

    def _who(self, room: str) -> Person:
        if room not in self._people:
            self._people[room] = Person(self.base_url, f"{room}-{uuid4().hex[:8]}", **_claims(room))
        return self._people[room]

    def _logged_in(self) -> Someone:
        """Somebody with a password and a login; another one where that was used up."""
        known = self._account
        if known is None or known.http.get("/api/v1/auth/me").status_code != 200:
            http = httpx2.Client(base_url=self.base_url, timeout=60, trust_env=False)
            known = Someone(http, _address(), PASSWORD)
            register(http, known.email)
            known.log_in()
            self._account = known
        return known

    def _thing(self, case: Any, slot: str) -> str:
        """What is changed or deleted is not what others read."""
        if slot in NO_IDS:
            return NO_IDS[slot]
        if slot == "server_id" and case.method in _KEPT:
            return self._shared_server
        if slot == "run_id" and case.method == "POST" and case.path.endswith("/approvals"):
            return _asking(self._who("runs"))
        changes = () if case.method in _KEPT else (case.method, case.path)
        place = (slot, _room(case.path), *changes)
        if place not in self._things:
            self._things[place] = self._made(case.path, slot)
        return self._things[place]

    def _made(self, path: str, slot: str) -> str:
        if slot != "account_id":
            return BELONGINGS[slot](self._who(_room(path)))
        body = {"email": _address()}
        return self._who("users").http.post("/api/v1/users", json=body).json()["user"]["id"]


def _room(path: str) -> str:
    return path.removeprefix("/api/").removeprefix("v1/").partition("/")[0]


def _address() -> str:
    return f"{uuid4().hex[:12]}@example.com"


def _claims(room: str) -> dict[str, Any]:
    return {"roles": ["admin"]} if room in _OF_ADMINS else {}


def _asking(person: Person) -> str:
    """A run that waits for its user's approval."""
    run_id = begin(person, agent(person, approvals={"tools": ["add_todo"]}), _ASKING)
    until_asked(person, run_id)
    return run_id


def answer(chat: Chat) -> Response:
    """What the model of the server that is fuzzed says."""
    last = chat["messages"][-1]
    asks = last["role"] == "user" and last["content"] == _ASKING
    return call("add_todo", title="Milk") if asks else say("Hello.")


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
        # Whom agents are shared with.
        neighbour = Person(base_url, NO_IDS["who"])
        stack.enter_context(neighbour.http)
        neighbour.say("Hello")
        crowd = Crowd(base_url, made.json()["id"])
        stack.callback(crowd.leave)
        yield crowd
