"""Turns that go on where a process has stopped, from the steps that were kept."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from mcp.server.mcpserver import MCPServer
from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette

from chat_api.runs import hub, worker
from chat_api.runs.feed import Feed
from chat_api.runs.hub import Hub
from chat_api.runs.lease import Claim
from chat_api.runs.log import Log, RunLog
from chat_api.runs.signals import Cancel
from chat_api.runs.worker import Worker
from tests.chat_api.conftest import MakePerson
from tests.chat_api.deciding import ended, requests
from tests.chat_api.replica import Gate, execute, expire_leases, in_thread, running_api
from tests.chat_api.streams import SSE, hear
from tests.model_server import Hold, ModelServer, call, say, serve, stream
from tests.servers import Person


def begin(person: Person, message: str) -> dict[str, Any]:
    """Take a turn without waiting for it; return its ids."""
    path, headers = f"/api/{person.name}/chat", {"Prefer": "respond-async"}
    return person.http.post(path, json={"message": message}, headers=headers).json()["data"]


def follow(person: Person, run_id: str) -> Any:
    return person.http.stream("GET", f"/api/v1/runs/{run_id}/events", headers={"Accept": SSE})


def until_kept(database: str, run_id: str) -> None:
    """Until the database has something of what was said."""
    said = "SELECT 1 FROM events WHERE run_id = %s AND type = 'text.delta'"
    while not execute(database, said, run_id):
        pass


def letters(gate: Gate, done: list[str]) -> Starlette:
    """Somebody else's tool server, which knows no keys; the first letter waits at the gate, half done."""
    foreign = MCPServer("foreign")

    @foreign.tool()
    async def send_letter(to: str) -> str:
        """Send a letter."""
        done.append(to)
        if len(done) == 1:
            await gate.before(say(""))({})
        return "sent"

    return foreign.streamable_http_app(stateless_http=True)


def test_a_turn_that_keeps_killing_its_server_is_given_up(
    alice: Person, api_database: str, model: ModelServer
) -> None:
    gate = Gate()
    model.answers(gate.before(say("Never.")), gate.before(say("Never.")))
    turn = begin(alice, "Hello")
    gate.wait()
    execute(api_database, "UPDATE runs SET attempt = 5 WHERE id = %s", turn["run_id"])
    expire_leases(api_database)
    with follow(alice, turn["run_id"]) as response:
        assert hear(response).frames[-1]["code"] == "gave_up"
    gate.open()


def test_steps_that_ended_are_not_made_again(alice: Person, api_database: str, model: ModelServer) -> None:
    title = uuid4().hex
    hold = Hold()
    model.answers(call("add_todo", title=title), stream("Half of it", hold), stream("All ", "of it."))
    turn = begin(alice, "Note it")
    hold.wait()
    with follow(alice, turn["run_id"]) as response:
        expire_leases(api_database)
        heard = hear(response)
    hold.open()
    assert heard.text == "All of it."
    assert [frame["attempt"] for frame in heard.frames if frame["type"] == "attempt"] == [2]
    assert len(model.requests) == 3
    assert execute(api_database, "SELECT count(*) FROM todos WHERE title = %s", title) == [(1,)]
    steps = alice.http.get(f"/api/v1/runs/{turn['run_id']}/steps").json()["steps"]
    assert [(step["step_id"], step["attempt"]) for step in steps] == [("1", 1), ("1.1", 1), ("2", 2)]
    assert alice.messages(turn["conversation_id"])[1]["content"] == "All of it."


def test_an_attempt_goes_on_from_what_the_database_has_not_from_what_readers_saw(
    alice: Person, api_database: str, model: ModelServer
) -> None:
    hold = Hold()
    model.answers(stream("Half of it", hold), say("All of it."))
    turn = begin(alice, "Hello")
    with follow(alice, turn["run_id"]) as response:
        hold.wait()
        forget = "DELETE FROM events WHERE run_id = %s AND type <> 'run.started'"
        execute(api_database, forget, turn["run_id"])
        expire_leases(api_database)
        heard = hear(response)
    hold.open()
    assert heard.text == "All of it."


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_a_foreign_call_that_may_have_happened_is_repeated_only_on_request(
    database_url: str, model: ModelServer, person: MakePerson, decision: str
) -> None:
    gate, done = Gate(), list[str]()
    app = letters(gate, done)
    with serve(app) as tools, running_api(database_url, model.url, mcp_url=f"{tools}/mcp") as url:
        alice = person(url)
        model.answers(call("send_letter", to="Bob"), say("Done."))
        with in_thread(lambda: alice.post("Write to Bob")) as waiting:
            gate.wait()
            expire_leases(database_url)
            refused = waiting.result()
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "requires_action")
        run_id = refused.json()["error"]["details"]["run_id"]
        [asked] = requests(alice, run_id)
        path = f"/api/v1/runs/{run_id}/approvals"
        wrong = alice.http.post(path, json={"step_id": "7.7", "decision": "approve"})
        assert wrong.json()["error"]["code"] == "nothing_to_decide"
        assert (
            alice.http.post(
                path, json={"step_id": "1.1", "decision": decision, "seq": asked["seq"]}
            ).status_code
            == 200
        )
        with follow(alice, run_id) as response:
            assert hear(response).text == "Done."
        gate.open()
    assert done == ["Bob"] * (2 if decision == "approve" else 1)
    told = next(message for message in model.requests[-1]["messages"] if message["role"] == "tool")
    assert ("decided not to repeat" in told["content"]) == (decision == "reject")


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> list[Worker]:
    """Those of the replicas that are started from here on."""
    found, listening = list[Worker](), Worker.listening

    async def seen(one: Worker) -> None:
        found.append(one)
        await listening(one)

    monkeypatch.setattr(Worker, "listening", seen)
    return found


def test_what_was_done_is_kept_when_a_cancel_is_heard_while_the_run_is_taken_over(
    database_url: str,
    model: ModelServer,
    person: MakePerson,
    monkeypatch: pytest.MonkeyPatch,
    workers: list[Worker],
) -> None:
    take_over = Hub.take_over

    async def cancelled_meanwhile(its: Hub, run_id: UUID, attempt: int) -> Feed:
        feed = await take_over(its, run_id, attempt)
        workers[0].heard(str(Cancel(run_id)))
        return feed

    monkeypatch.setattr(Hub, "take_over", cancelled_meanwhile)
    with running_api(database_url, model.url) as url:
        alice, hold = person(url), Hold()
        model.answers(call("calculator", expression="6*7"), stream("Half", hold))
        turn = begin(alice, "Reckon")
        hold.wait()
        until_kept(database_url, turn["run_id"])
        with follow(alice, turn["run_id"]) as response:
            expire_leases(database_url)
            heard = hear(response)
        hold.open()
        answer = alice.messages(turn["conversation_id"])[1]
        [made] = answer["tool_calls"]
        run = alice.http.get(f"/api/v1/runs/{turn['run_id']}").json()
    assert (run["status"], run["usage"]["requests"]) == ("cancelled", 1)
    assert (made["tool"], answer["content"], heard.text) == ("calculator", "Half", "Half")


def test_a_run_that_could_not_be_taken_over_is_not_followed_for_ever(
    database_url: str,
    model: ModelServer,
    person: MakePerson,
    monkeypatch: pytest.MonkeyPatch,
    workers: list[Worker],
) -> None:
    tries = list[int]()

    async def away(*_: Any) -> Any:
        tries.append(1)
        raise OperationalError("SELECT", {}, Exception("gone"))

    with running_api(database_url, model.url) as url:
        alice, gate = person(url), Gate()
        model.answers(gate.before(say("Never.")), say("Hello."))
        turn = begin(alice, "Hello")
        gate.wait()
        with monkeypatch.context() as patched:
            patched.setattr(hub, "read", away)
            expire_leases(database_url)
            while not tries or workers[0]._claimed:  # pyright: ignore[reportPrivateUsage]
                alice.http.get("/api/v1/health/live")
            assert workers[0].hub._feeds == {}  # pyright: ignore[reportPrivateUsage]
        expire_leases(database_url)
        with follow(alice, turn["run_id"]) as response:
            assert hear(response).text == "Hello."
        gate.open()


def test_one_run_that_has_to_be_waited_for_keeps_no_other_from_being_taken_over(
    database_url: str, model: ModelServer, person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that lost it is still at its end, and takes it over itself."""
    conclude, slow, late = worker.conclude, list[UUID](), Hold()

    async def concluded(db: Any, turn: Claim, *end: Any) -> Any:
        if turn.run_id in slow:
            await late()
        return await conclude(db, turn, *end)

    monkeypatch.setattr(worker, "conclude", concluded)
    with running_api(database_url, model.url) as url:
        alice, gates = person(url), [Gate(), Gate()]
        model.answers(gates[0].before(say("One.")))
        first = begin(alice, "One")
        gates[0].wait()
        slow.append(UUID(first["run_id"]))
        model.answers(gates[1].before(say("Never.")), say("Two."), say("One."))
        second = begin(alice, "Two")
        gates[1].wait()
        gates[0].open()
        late.wait()
        forget = "UPDATE runs SET lease_until = now() - interval '1 second' WHERE id = %s"
        execute(database_url, forget, first["run_id"])
        attempt = "SELECT 1 FROM runs WHERE id = %s AND attempt = 2"
        while not execute(database_url, attempt, first["run_id"]):
            pass
        execute(database_url, forget, second["run_id"])
        with in_thread(lambda: ended(alice, second["run_id"]).text) as heard:
            try:
                assert heard.result(5) == "Two."
            finally:
                late.open()
                gates[1].open()


def test_a_run_that_is_handed_over_counts_as_no_crash(
    database_url: str, model: ModelServer, person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_GRACE", 0)
    gates = [Gate() for _ in range(3)]
    model.answers(*(gate.before(say("Never.")) for gate in gates))
    with running_api(database_url, model.url) as url:
        turn = begin(person(url, name="alice"), "Hello")
        gates[0].wait()
    with running_api(database_url, model.url, max_attempts=2) as url:
        alice = person(url, name="alice")
        for gate in gates[1:]:
            gate.wait()
            expire_leases(database_url)
        assert ended(alice, turn["run_id"]).frames[-1]["code"] == "gave_up"
        events = alice.http.get(f"/api/v1/runs/{turn['run_id']}/events").json()["events"]
    for gate in gates:
        gate.open()
    begun = [event["handed_over"] for event in events if event["type"] == "attempt"]
    assert begun == [True, False, False]


def test_what_the_next_attempt_must_know_is_on_disk_though_it_was_written_without_waiting(
    database_url: str, model: ModelServer, person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, on_disk = Log.commit, list[tuple[Any, ...]]()

    async def flushed_before(log: Log, run: RunLog) -> None:
        await log.flush()
        written = await asyncio.to_thread(execute, database_url, "SELECT pg_current_wal_insert_lsn()::text")
        await commit(log, run)
        flushed = "SELECT pg_current_wal_flush_lsn() >= %s::pg_lsn"
        on_disk.extend(await asyncio.to_thread(execute, database_url, flushed, written[0][0]))

    monkeypatch.setattr(Log, "commit", flushed_before)
    with running_api(database_url, model.url) as url:
        model.answers(call("calculator", expression="6*7"), say("42."))
        person(url).say("Reckon")
    assert on_disk == [(True,)]
