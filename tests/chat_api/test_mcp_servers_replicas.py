"""Other MCP servers and several replicas: what one is told, all know soon."""

import asyncio
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Engine, Executable, Row, event
from starlette.responses import Response

from chat_api.tools.servers import others, registry
from kit.postgres import Db
from tests.chat_api.conftest import MakePerson
from tests.chat_api.foreign import register, serving, tool_names
from tests.chat_api.liar import error, hang, lying, result, tool
from tests.chat_api.replica import Gate, expire_leases, in_thread, running_api
from tests.chat_api.waiting import once
from tests.model_server import ModelServer, call, say
from tests.servers import Person

PATH = "/api/v1/mcp-servers"
SOON = 10.0


def offered(who: Person, model: ModelServer) -> list[str]:
    """What a turn offers to the model."""
    model.answers(say("Hello."))
    who.say("Hello")
    return tool_names(model.requests[-1])


def test_what_is_changed_at_one_replica_holds_at_the_other_soon(
    database_url: str, model: ModelServer, person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert registry._LIFETIME <= 2  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(registry, "_LIFETIME", 0.3)
    with (
        serving() as foreign,
        running_api(database_url, model.url) as here,
        running_api(database_url, model.url) as there,
    ):
        admin = person(here, roles=["admin"])
        other = person(there, admin.name, roles=["admin"])
        assert "library__lend" not in offered(other, model)
        server_id = register(admin, foreign.url)
        assert "library__lend" in offered(admin, model)
        once(lambda: "library__lend" in offered(other, model))
        admin.http.patch(f"{PATH}/{server_id}", json={"enabled": False})
        assert "library__lend" not in offered(admin, model)
        once(lambda: "library__lend" not in offered(other, model))
        admin.http.patch(f"{PATH}/{server_id}", json={"enabled": True})
        once(lambda: "library__lend" in offered(other, model))
        assert admin.http.delete(f"{PATH}/{server_id}").status_code == 200
        assert "library__lend" not in offered(admin, model)
        once(lambda: "library__lend" not in offered(other, model))


def test_a_replica_that_starts_anew_knows_the_servers(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    with serving(era="legacy") as foreign:
        with running_api(database_url, model.url) as url:
            admin = person(url, roles=["admin"])
            register(admin, foreign.url)
            assert "library__lend" in offered(admin, model)
        with running_api(database_url, model.url) as url:
            again = person(url, admin.name)
            model.answers(call("library__lend", title="Emma"), say("Done."))
            assert again.say("Lend it")["tool_calls"][0]["error"] is None


def test_a_server_that_is_deleted_under_a_turn_is_not_called_any_more(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    gate = Gate()
    model.answers(gate.before(call("liar__read")), say("It is gone."))
    with lying() as liar, running_api(database_url, model.url) as url:
        admin = person(url, roles=["admin"])
        server_id = register(admin, liar.url, "liar")
        with in_thread(lambda: admin.say("Read")) as turn:
            gate.wait()
            assert admin.http.delete(f"{PATH}/{server_id}").status_code == 200
            gate.open()
        assert "not there any more" in turn.result()["tool_calls"][0]["error"]
        assert "tools/call" not in liar.asked


def test_a_server_that_hangs_holds_up_the_first_turn_alone(
    database_url: str, model: ModelServer, person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert others.FIRST_WAIT <= 3
    monkeypatch.setattr(others, "FIRST_WAIT", 1)
    with lying(list=hang) as liar, running_api(database_url, model.url) as url:
        admin = person(url, roles=["admin"])
        offered(admin, model)
        register(admin, liar.url, "liar")
        began = time.monotonic()
        offered(admin, model)
        assert 0.9 < time.monotonic() - began < SOON
        began = time.monotonic()
        for _ in range(5):
            offered(admin, model)
        assert time.monotonic() - began < 2.5


def test_a_server_that_comes_back_is_found_again(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    with lying(list=error(-32603, "Not now.")) as liar, running_api(database_url, model.url) as url:
        admin = person(url, roles=["admin"])
        register(admin, liar.url, "liar")
        assert "liar__read" not in offered(admin, model)
        asked = len(liar.asked)
        assert "liar__read" not in offered(admin, model)
        assert len(liar.asked) == asked, "a failure is remembered"
        liar.answers["tools/list"] = result(tools=[tool()])
        once(lambda: "liar__read" in offered(admin, model))


def test_neither_the_database_nor_the_server_is_asked_for_each_turn(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    asked: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        if "mcp_servers" in statement:
            asked.append(statement)

    with serving() as foreign, running_api(database_url, model.url) as url:
        admin = person(url, roles=["admin"])
        register(admin, foreign.url)
        offered(admin, model)
        listed = len(foreign.of("tools/list"))
        event.listen(Engine, "before_cursor_execute", note)
        began = time.monotonic()
        for _ in range(10):
            assert "library__lend" in offered(admin, model)
        lasted = time.monotonic() - began
        event.remove(Engine, "before_cursor_execute", note)
    assert len(asked) <= 1 + lasted / 2
    assert len(foreign.of("tools/list")) <= listed + 1 + lasted / 5


def test_what_is_changed_while_it_is_asked_what_has_changed_is_not_missed(
    database_url: str, model: ModelServer, person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, changed, run = threading.Event(), threading.Event(), Db.run

    async def dawdle(self: Db, statement: Executable, parameters: dict[str, Any]) -> Sequence[Row[Any]]:
        rows = await run(self, statement, parameters)
        if "mcp_server_changes" in str(statement) and not answered.is_set():
            answered.set()
            await asyncio.to_thread(changed.wait, SOON)
        return rows

    monkeypatch.setattr(Db, "run", dawdle)
    with serving() as foreign, running_api(database_url, model.url) as url:
        admin = person(url, roles=["admin"])
        with in_thread(lambda: admin.http.get("/api/v1/tools")) as asking:
            assert answered.wait(SOON)
            register(admin, foreign.url)
            changed.set()
            assert asking.result().status_code == 200
        assert "library__lend" in offered(admin, model)


@pytest.mark.parametrize("trusted", [True, False])
def test_a_call_under_a_replica_that_dies_is_repeated_only_where_the_servers_word_counts(
    database_url: str, model: ModelServer, person: MakePerson, *, trusted: bool
) -> None:
    """It says that the call does no harm twice."""
    gate, done = Gate(), list[str]()

    async def read(asked: dict[str, Any]) -> Response:
        done.append(asked["params"]["_meta"]["turnlog/idempotency-key"])
        if len(done) == 1:
            await gate.before(say(""))({})
        answered = result(content=[{"type": "text", "text": "Read."}])(asked)
        assert isinstance(answered, Response)
        return answered

    listed = result(tools=[tool(annotations={"idempotentHint": True})])
    with lying(list=listed, call=read) as liar, running_api(database_url, model.url) as url:
        admin = person(url, roles=["admin"])
        register(admin, liar.url, "liar", trusted=trusted, timeout_seconds=60)
        model.answers(call("liar__read"), say("Done."))
        with in_thread(lambda: admin.post("Read")) as waiting:
            gate.wait()
            expire_leases(database_url)
            answered = waiting.result()
        gate.open()
    if trusted:
        assert answered.json()["data"]["tool_calls"][0]["result"] == "Read."
        assert len(done) == 2
        assert done[0] == done[1]
    else:
        assert answered.json()["error"]["code"] == "requires_action"
        assert len(done) == 1
