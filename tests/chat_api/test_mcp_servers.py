"""Other MCP servers: their tools beside ours, in the turns of those who may use them."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any
from uuid import uuid4

import jwt
import pytest
from mcp.server.mcpserver import MCPServer
from pydantic import Field
from starlette.responses import Response

from chat_api.tools.servers import server_line
from tests.chat_api.conftest import MakePerson
from tests.chat_api.foreign import ERAS, Era, Foreign, register, serving, sharing, tool_names
from tests.chat_api.liar import HANDSHAKE, error, lying, result, tool
from tests.model_server import Chat, ModelServer, call, say
from tests.servers import Person


@pytest.fixture
def admin(person: MakePerson) -> Person:
    """Somebody who may name servers on this machine."""
    return person(roles=["admin"])


@pytest.mark.parametrize("era", ERAS)
def test_a_turn_uses_the_tools_of_another_server_beside_ours(
    admin: Person, model: ModelServer, era: Era
) -> None:
    with serving(era=era) as foreign:
        register(admin, foreign.url)
        model.answers(
            call("library__search", title="Emma"),
            call("add_todo", title="Read Emma"),
            call("library__lend", title="Emma"),
            call("library__refuse", why="It is lent."),
            say("Done."),
        )
        done = admin.say("Get me Emma")["tool_calls"]
    assert [each["tool"] for each in done] == [
        "library__search",
        "add_todo",
        "library__lend",
        "library__refuse",
    ]
    assert done[0]["result"] == {"title": "Emma", "shelf": "B4"}
    assert done[1]["result"]["title"] == "Read Emma"
    assert done[2]["result"] == {"result": "Emma is yours."}
    assert "It is lent." in done[3]["error"]
    assert {"library__search", "add_todo"} <= set(tool_names(model.requests[0]))


@pytest.mark.parametrize("era", ERAS)
def test_a_server_gets_a_token_for_each_person_and_never_the_callers_own(
    api: str, admin: Person, person: MakePerson, model: ModelServer, era: Era
) -> None:
    alice, bob, audience = person(), person(), f"library-{uuid4().hex}"
    name = f"l{uuid4().hex[:8]}"
    with (
        serving(era=era) as foreign,
        sharing(admin, foreign.url, name, auth="user", audience=audience),
    ):
        for each in (alice, bob):
            model.answers(call(f"{name}__search", title="Emma"), say("There."))
            assert each.say("Find it")["tool_calls"][0]["error"] is None
        assert foreign.who(api, audience) == {alice.name, bob.name}
        sessions = sessions_by_person(foreign)
    own = {str(each.http.headers["Authorization"]).removeprefix("Bearer ") for each in (alice, bob)}
    assert own.isdisjoint(foreign.tokens())
    for token in foreign.tokens():
        claims = jwt.decode(token, options={"verify_signature": False})
        assert claims["exp"] - claims["iat"] <= 60
        assert claims["act"] == {"sub": "turnlog-chat"}
    if era == "legacy":
        assert len(sessions[alice.name]) == len(sessions[bob.name]) == 1
        assert sessions[alice.name] != sessions[bob.name]


def sessions_by_person(foreign: Foreign) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for headers in foreign.seen:
        token = headers["authorization"].removeprefix("Bearer ")
        subject = jwt.decode(token, options={"verify_signature": False})["sub"]
        if "mcp-session-id" in headers:
            found.setdefault(subject, set()).add(headers["mcp-session-id"])
    return found


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ({"auth": "bearer", "secret": "s3cret"}, ("authorization", "Bearer s3cret")),
        ({"auth": "header", "header": "X-Api-Key", "secret": "s3 cret"}, ("x-api-key", "s3 cret")),
        ({}, ("authorization", None)),
    ],
)
def test_a_server_is_sent_the_secret_that_it_knows_its_user_by(
    admin: Person, model: ModelServer, settings: dict[str, Any], sent: tuple[str, str | None]
) -> None:
    with serving() as foreign:
        register(admin, foreign.url, **settings)
        model.answers(call("library__search", title="Emma"), say("There."))
        admin.say("Find it")
    assert {headers.get(sent[0]) for headers in foreign.seen} == {sent[1]}


def test_the_tools_of_a_persons_own_server_are_nobody_elses(
    admin: Person, person: MakePerson, model: ModelServer
) -> None:
    stranger = person(roles=["admin"])
    with serving() as foreign:
        register(admin, foreign.url)
        model.answers(call("library__lend", title="Emma"), say("There is no such tool."))
        done = stranger.say("Lend it")["tool_calls"]
        assert "no such tool" in done[0]["error"]
        assert not any("library" in name for name in tool_names(model.requests[0]))
        assert foreign.seen == []
        model.answers(say("Yes."))
        admin.say("Is there a library?")
        assert "library__lend" in tool_names(model.requests[-1])


def test_a_persons_own_server_comes_before_a_shared_one_of_its_name(
    admin: Person, person: MakePerson, model: ModelServer
) -> None:
    name = f"l{uuid4().hex[:8]}"
    reader = person(roles=["admin"])
    with serving() as shared, serving() as own:
        register(reader, own.url, name)
        # One that is shared later can have the name of somebody's own.
        with sharing(admin, shared.url, name):
            model.answers(call(f"{name}__lend", title="Emma"), say("Done."))
            assert reader.say("Lend it")["tool_calls"][0]["error"] is None
            assert own.of("tools/call")
            assert not shared.of("tools/call")
            taken = person().http.post(
                "/api/v1/mcp-servers", json={"name": name, "url": "https://example.com/mcp"}
            )
            assert (taken.status_code, taken.json()["error"]["code"]) == (409, "mcp_server_name_taken")


def test_what_a_server_says_of_its_tools_is_believed_only_where_it_is_trusted(
    admin: Person, model: ModelServer
) -> None:
    with serving() as foreign:
        server_id = register(admin, foreign.url)
        tools = {each["name"]: each for each in admin.http.get("/api/v1/tools").json()["tools"]}
        assert not tools["library__search"]["read_only"]
        assert tools["library__search"]["source"] == "library"
        changed = admin.http.patch(f"/api/v1/mcp-servers/{server_id}", json={"trusted": True})
        assert changed.status_code == 200
        tools = {each["name"]: each for each in admin.http.get("/api/v1/tools").json()["tools"]}
        assert tools["library__search"]["read_only"]
        assert not tools["library__lend"]["read_only"]


def test_a_session_that_the_server_has_lost_is_begun_anew(admin: Person, model: ModelServer) -> None:
    with serving(era="legacy") as foreign:
        register(admin, foreign.url)
        model.answers(call("library__search", title="Emma"), say("There."))
        admin.say("Find it")
        # As if it had been started again.
        foreign.forget_sessions()
        model.answers(call("library__lend", title="Emma"), say("Done."))
        assert admin.say("Lend it")["tool_calls"][0]["error"] is None


def test_a_session_that_nobody_needs_is_ended_and_begun_anew_when_needed(
    admin: Person, model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Less than it takes to open one: none is ended while something is asked over it.
    monkeypatch.setattr(server_line, "_IDLE_SECONDS", 0.001)
    with serving(era="legacy") as foreign:
        register(admin, foreign.url)
        for _ in range(2):
            foreign.left.clear()
            model.answers(call("library__search", title="Emma"), say("There."))
            assert admin.say("Find it")["tool_calls"][0]["error"] is None
            assert foreign.left.wait(30)


def test_a_server_that_asks_for_what_we_do_not_have_is_told_so(admin: Person, model: ModelServer) -> None:
    with serving(era="legacy") as foreign:
        register(admin, foreign.url)
        model.answers(call("library__ask"), say("It failed."))
        assert admin.say("Let it ask")["tool_calls"][0]["error"]


def test_a_server_that_changes_its_tools_is_believed_what_it_says_now(
    admin: Person, model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert server_line._SHORTEST_LIFETIME <= 5  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(server_line, "_SHORTEST_LIFETIME", 0.3)
    with lying(list=result(tools=[tool("first")])) as liar:
        register(admin, liar.url, "liar")
        model.answers(say("Yes."))
        admin.say("Hello")
        assert "liar__first" in tool_names(model.requests[-1])
        liar.answers["tools/list"] = result(tools=[tool("second")])
        deadline = time.monotonic() + 30
        while "liar__second" not in tool_names(model.requests[-1]):
            assert time.monotonic() < deadline
            model.answers(say("Yes."))
            admin.say("Hello again")
        assert "liar__first" not in tool_names(model.requests[-1])


def branches() -> MCPServer[Any]:
    server: MCPServer[Any] = MCPServer("branches")

    @server.tool()
    async def count(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]) -> str:
        """Count the books of a region."""
        return f"7 in the {region}"

    return server


def test_arguments_that_a_server_wants_in_headers_are_sent_there(admin: Person, model: ModelServer) -> None:
    with serving(branches) as foreign:
        register(admin, foreign.url, "branches")
        model.answers(call("branches__count", region="west"), say("Seven."))
        assert admin.say("Count them")["tool_calls"][0]["result"] == {"result": "7 in the west"}
        assert foreign.of("tools/call")[-1]["mcp-param-region"] == "west"


@pytest.mark.parametrize("era", ERAS)
def test_many_people_at_once_are_never_taken_for_each_other(
    admin: Person, person: MakePerson, model: ModelServer, era: Era
) -> None:
    def tell(asked: dict[str, Any]) -> Response:
        token = asked["headers"]["authorization"].removeprefix("Bearer ")
        subject = jwt.decode(token, options={"verify_signature": False})["sub"]
        answered = result(content=[{"type": "text", "text": subject}])(asked)
        assert isinstance(answered, Response)
        return answered

    def script(chat: Chat) -> Response:
        told = sum(message["role"] == "tool" for message in chat["messages"])
        return call(f"{name}__read", nth=told) if told < 3 else say("Done.")

    def take(who: Person) -> set[tuple[str, str]]:
        return {(who.name, each["result"]) for each in who.say("Who am I?")["tool_calls"]}

    name, people = f"l{uuid4().hex[:8]}", [person() for _ in range(20)]
    discover = {} if era != "legacy" else {"discover": error(-32601, "No such method")}
    with (
        lying(call=tell, initialize=HANDSHAKE, **discover) as liar,
        sharing(admin, liar.url, name, auth="user"),
        ThreadPoolExecutor(20) as pool,
    ):
        model.script = script
        found = set[tuple[str, str]]().union(*pool.map(take, people))
    assert found == {(who.name, who.name) for who in people}
