"""Turns that are sent twice, wait in line, are stopped, or were cut off."""

import asyncio
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from chat_api.runs.fold import fold
from kit.postgres import open_db
from tests.chat_api.conftest import MakePerson
from tests.chat_api.replica import Gate, execute, in_thread, running_api
from tests.chat_api.streams import NDJSON, SSE, Heard, chat_stream, frames, hear
from tests.model_server import Hold, ModelServer, call, say, stream
from tests.servers import Person

SOON = 0.5


@pytest.fixture(scope="module")
def other(api_database: str, shared_model: ModelServer) -> Generator[str]:
    with running_api(api_database, shared_model.url) as url:
        yield url


def post(person: Person, message: str, key: str | None = None, **body: Any) -> httpx2.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return person.http.post(f"/api/{person.name}/chat", json={"message": message, **body}, headers=headers)


def run_of(person: Person, run_id: str) -> dict[str, Any]:
    return person.http.get(f"/api/v1/runs/{run_id}").json()


def test_the_same_key_and_body_are_the_same_turn(alice: Person, model: ModelServer) -> None:
    model.answers(call("add_todo", title="Milk"), say("Noted."))
    key = uuid4().hex
    first, again = post(alice, "Buy milk", key), post(alice, "Buy milk", key)
    assert first.json()["data"]["run_id"] == again.json()["data"]["run_id"]
    assert again.json()["data"]["response"] == "Noted."
    assert again.json()["data"]["tool_calls"] == first.json()["data"]["tool_calls"]
    assert len(model.requests) == 2
    # The control: without a key they are two turns.
    model.answers(say("One."), say("Two."))
    assert post(alice, "Hello").json()["data"]["run_id"] != post(alice, "Hello").json()["data"]["run_id"]


def test_the_same_key_with_something_else_is_refused(alice: Person, person: MakePerson) -> None:
    key = uuid4().hex
    assert post(alice, "Hello", key).status_code == 200
    refused = post(alice, "Goodbye", key)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "idempotency_key_reused")
    assert post(person(), "Goodbye", key).status_code == 200


@pytest.mark.parametrize("key", ["", "with space", "x" * 256])
def test_a_malformed_key_is_refused(alice: Person, key: str) -> None:
    refused = alice.http.post(
        f"/api/{alice.name}/chat", json={"message": "Hello"}, headers={"Idempotency-Key": key}
    )
    assert refused.status_code == 422


def test_one_turn_posted_to_two_replicas_at_once_is_one_turn(
    alice: Person, person: MakePerson, other: str, model: ModelServer
) -> None:
    elsewhere = person(other, alice.name)
    conversation_id = alice.say("Hello")["conversation_id"]
    for body in ({}, {"conversation_id": conversation_id}):
        model.requests.clear()
        key = uuid4().hex
        with ThreadPoolExecutor(8) as pool:
            posts = [
                pool.submit(post, who, "At once", key, **body) for who in (alice, elsewhere) for _ in range(4)
            ]
        answers = [each.result() for each in posts]
        assert [answer.status_code for answer in answers] == [200] * 8
        assert len({answer.json()["data"]["run_id"] for answer in answers}) == 1
        assert len(model.requests) == 1


def test_a_retry_while_it_runs_waits_for_it_or_follows_it(
    alice: Person, person: MakePerson, other: str, model: ModelServer
) -> None:
    elsewhere = person(other, alice.name)
    hold = Hold()
    model.answers(stream("One, ", hold, "two."))
    key = uuid4().hex
    with (
        in_thread(lambda: post(alice, "Count", key)) as first,
        in_thread(lambda: post(elsewhere, "Count", key)) as second,
    ):
        hold.wait()
        path = f"/api/{alice.name}/chat"
        headers = {"Accept": SSE, "Idempotency-Key": key}
        with elsewhere.http.stream("POST", path, json={"message": "Count"}, headers=headers) as response:
            heard = Heard()
            for number, frame in frames(response):
                heard.take(number, frame)
                if heard.text == "One, ":
                    hold.open()
                    break
    assert first.result().json()["data"] | {"timestamp": 0} == second.result().json()["data"] | {
        "timestamp": 0
    }


def test_who_does_not_wait_gets_the_run_to_look_at(alice: Person, model: ModelServer) -> None:
    gate = Gate()
    model.answers(gate.before(say("Here.")))
    accepted = alice.http.post(
        f"/api/{alice.name}/chat", json={"message": "Hello"}, headers={"Prefer": "respond-async"}
    )
    assert accepted.status_code == 202
    run_id = accepted.json()["data"]["run_id"]
    assert run_of(alice, run_id)["status"] == "running"
    unfinished = alice.http.get("/api/v1/runs", params={"unfinished": True}).json()["runs"]
    assert [run["id"] for run in unfinished] == [run_id]
    gate.open()
    with alice.http.stream("GET", f"/api/v1/runs/{run_id}/events", headers={"Accept": SSE}) as response:
        assert hear(response).text == "Here."
    assert run_of(alice, run_id)["status"] == "completed"


def test_turns_wait_in_line_in_their_order(alice: Person, model: ModelServer) -> None:
    conversation_id = alice.say("Hello")["conversation_id"]
    gate = Gate()
    model.answers(gate.before(say("1")), *(say(str(number)) for number in range(2, 6)))
    ids = {"conversation_id": conversation_id}
    with in_thread(lambda: post(alice, "a", **ids)) as first:
        gate.wait()
        prefer = {"Prefer": "respond-async"}
        queued = [
            alice.http.post(
                f"/api/{alice.name}/chat",
                json={"message": message, "if_busy": "enqueue", **ids},
                headers=prefer,
            ).json()["data"]["run_id"]
            for message in "bcd"
        ]
        assert {run_of(alice, run_id)["status"] for run_id in queued} == {"queued"}
        assert post(alice, "x", **ids).status_code == 409
        gate.open()
        assert first.result().json()["data"]["response"] == "1"
    assert post(alice, "e", if_busy="enqueue", **ids).json()["data"]["response"] == "5"
    said = [message["content"] for message in alice.messages(conversation_id)]
    assert said == ["Hello", "Hello.", "a", "1", "b", "2", "c", "3", "d", "4", "e", "5"]


def test_a_turn_may_interrupt_the_one_before(alice: Person, model: ModelServer) -> None:
    conversation_id = alice.say("Hello")["conversation_id"]
    hold = Hold()
    model.answers(stream("So far", hold, "!"), say("Now."))
    ids = {"conversation_id": conversation_id}
    with in_thread(lambda: post(alice, "Long", **ids)) as first:
        hold.wait()
        assert post(alice, "Stop", if_busy="interrupt", **ids).json()["data"]["response"] == "Now."
        cut = first.result()
        assert (cut.status_code, cut.json()["error"]["code"]) == (409, "run_cancelled")
    kept = alice.messages(conversation_id)[2:]
    assert [(message["content"], message["status"]) for message in kept] == [
        ("Long", "completed"),
        ("So far", "cancelled"),
        ("Stop", "completed"),
        ("Now.", "completed"),
    ]


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_a_turn_is_cancelled_from_any_replica_at_once(
    alice: Person, person: MakePerson, other: str, model: ModelServer, where: str
) -> None:
    hold = Hold()
    model.answers(stream("So ", "far", hold, "!"))
    canceller = alice if where == "here" else person(other, alice.name)
    with chat_stream(alice, "Long") as response:
        run_id = response.headers["x-run-id"]
        hold.wait()
        start = time.monotonic()
        run = canceller.http.post(f"/api/v1/runs/{run_id}/cancel").json()
        took = time.monotonic() - start
        heard = hear(response)
    assert run["status"] == "cancelled"
    assert took < SOON
    assert (heard.text, heard.frames[-1]["status"]) == ("So far", "cancelled")
    assert model.disconnected.wait(SOON), "the model's server was not told"
    kept = alice.messages(response.headers["x-conversation-id"])[1]
    assert (kept["content"], kept["status"], kept["id"]) == (
        "So far",
        "cancelled",
        heard.frames[-1]["message_id"],
    )
    again = canceller.http.post(f"/api/v1/runs/{run_id}/cancel").json()
    assert again == run


def test_a_turn_in_line_is_cancelled_without_having_begun(alice: Person, model: ModelServer) -> None:
    conversation_id = alice.say("Hello")["conversation_id"]
    gate = Gate()
    model.answers(gate.before(say("1")), say("2"))
    ids = {"conversation_id": conversation_id, "if_busy": "enqueue"}
    with in_thread(lambda: post(alice, "a", **ids)) as first:
        gate.wait()
        headers = {"Prefer": "respond-async"}
        queued = alice.http.post(f"/api/{alice.name}/chat", json={"message": "b", **ids}, headers=headers)
        run_id = queued.json()["data"]["run_id"]
        assert alice.http.post(f"/api/v1/runs/{run_id}/cancel").json()["status"] == "cancelled"
        gate.open()
        assert first.result().status_code == 200
    with alice.http.stream("GET", f"/api/v1/runs/{run_id}/events", headers={"Accept": NDJSON}) as response:
        assert [frame["type"] for frame in hear(response).frames] == ["start", "done"]
    assert post(alice, "c", **ids).json()["data"]["response"] == "2"


@pytest.mark.parametrize("on_disconnect", ["continue", "cancel"])
def test_a_client_that_leaves_cancels_only_if_it_asked_for_it(
    alice: Person, model: ModelServer, on_disconnect: str
) -> None:
    hold = Hold()
    model.answers(stream("So far", hold, "!"))
    with chat_stream(alice, "Long", on_disconnect=on_disconnect) as response:
        run_id = response.headers["x-run-id"]
        hold.wait()
    if on_disconnect == "continue":
        hold.open()
    with alice.http.stream("GET", f"/api/v1/runs/{run_id}/events", headers={"Accept": SSE}) as response:
        heard = hear(response)
    expected = ("So far", "cancelled") if on_disconnect == "cancel" else ("So far!", "completed")
    assert (heard.text, heard.frames[-1]["status"]) == expected


def test_a_failed_turn_ends_its_stream_with_an_error(alice: Person, model: ModelServer) -> None:
    model.answers(stream("So far", then="end"))
    with chat_stream(alice, "Hello") as response:
        heard = hear(response)
    last = heard.frames[-1]
    assert (last["type"], last["code"]) == ("error", "provider_failed")
    kept = alice.messages(last["conversation_id"])[1]
    assert (kept["content"], kept["status"]) == ("So far", "failed")
    assert run_of(alice, last["run_id"])["error"]["code"] == "provider_failed"


async def test_a_folded_log_reads_the_same_from_every_number(
    alice: Person, api_database: str, model: ModelServer
) -> None:
    hold = Hold()
    model.answers(stream("One, ", "two, ", hold, "three, \U0001f600", "four."))
    cuts: list[tuple[int, str]] = []

    def listen() -> str:
        with chat_stream(alice, "Count") as response:
            heard = Heard()
            for number, frame in frames(response):
                heard.take(number, frame)
                cuts.append((heard.last, heard.text))
                if heard.text == "One, two, ":
                    _wait_for_rows(api_database, response.headers["x-run-id"])
                    hold.open()
            return response.headers["x-run-id"]

    run_id = await asyncio.to_thread(listen)
    count = "SELECT count(*) FROM events WHERE run_id = %s AND type = 'text.delta'"
    assert execute(api_database, count, run_id)[0][0] > 1
    async with open_db(api_database) as db:
        while await fold(db, 0):
            pass
    assert execute(api_database, count, run_id)[0][0] == 1

    def read_on(last: int, text: str) -> str:
        path, query = f"/api/v1/runs/{run_id}/events", {"after": last}
        with alice.http.stream("GET", path, params=query, headers={"Accept": SSE}) as response:
            return text + hear(response, Heard(last=last)).text

    for last, text in [(0, ""), *cuts[:-1]]:
        assert await asyncio.to_thread(read_on, last, text) == cuts[-1][1]


def _wait_for_rows(database_url: str, run_id: str) -> None:
    """What the log has by then is a row of its own."""
    deadline = time.monotonic() + 10
    wanted = "SELECT count(*) FROM events WHERE run_id = %s AND type = 'text.delta'"
    while not execute(database_url, wanted, run_id)[0][0]:
        assert time.monotonic() < deadline
