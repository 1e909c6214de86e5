"""Turns that meet others, retries, cancels and claims at the worst moment."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.chat_api.conftest import MakePerson
from tests.chat_api.deciding import requests
from tests.chat_api.replica import Gate, execute, expire_leases, in_thread, running_api
from tests.chat_api.streams import hear
from tests.chat_api.test_runs import post
from tests.chat_api.test_takeovers import begin, follow, letters
from tests.model_server import Hold, ModelServer, call, say, serve, stream
from tests.servers import Person

WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
ENQUEUE = """
    WITH place AS (
        UPDATE conversations SET next_position = next_position + 2 WHERE id = %(conversation_id)s
        RETURNING user_id, next_position - 2 AS position
    ), run AS (
        INSERT INTO runs (id, user_id, conversation_id, position, answer_position, status, attempt,
            cancel_requested, folded, created_at)
        SELECT %(run_id)s, user_id, %(conversation_id)s, position, position + 1, 'queued', 0, false, false,
            now()
        FROM place
        RETURNING *
    ), event AS (
        INSERT INTO events (run_id, seq, first_seq, user_id, type, data, at)
        SELECT id, 1, 1, user_id, 'run.started',
            jsonb_build_object('conversation_id', conversation_id, 'position', position), now() FROM run
    )
    INSERT INTO messages (id, user_id, conversation_id, run_id, position, parent_position, role, content,
        tool_calls, status, created_at)
    SELECT gen_random_uuid(), user_id, conversation_id, id, position, position - 1, 'user', 'Second', '[]',
        'completed', now()
    FROM run
"""


@contextmanager
def transaction(url: str) -> Generator[psycopg.Connection[tuple[Any, ...]]]:
    """A transaction of somebody else's, which is committed by the test."""
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        yield connection


def until_it_waits(url: str) -> None:
    """Until a statement waits for the lock of another: to look is how one learns of it."""
    while not execute(url, WAITING)[0][0]:
        pass


def test_an_interrupting_turn_that_is_sent_again_does_not_interrupt_itself(
    alice: Person, model: ModelServer
) -> None:
    conversation_id = alice.say("Hello")["conversation_id"]
    hold, key = Hold(), uuid4().hex
    model.answers(stream("So ", hold, "far."))
    ids = {"conversation_id": conversation_id, "if_busy": "interrupt"}
    with in_thread(lambda: post(alice, "Long", key, **ids)) as first:
        hold.wait()
        with in_thread(lambda: post(alice, "Long", key, **ids)) as again:
            reused = post(alice, "Other", key, **ids)
            hold.open()
    assert reused.json()["error"]["code"] == "idempotency_key_reused"
    assert first.result().json()["data"]["response"] == again.result().json()["data"]["response"] == "So far."


def test_a_burst_leaves_no_more_turns_live_than_the_setting_says(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    gate = Gate()
    model.answers(*[gate.before(say("Well.")) for _ in range(12)])
    with running_api(database_url, model.url, max_live_runs=2) as url:
        alice = person(url)
        with ThreadPoolExecutor(12) as pool:
            turns = list(pool.map(begin, [alice] * 12, map(str, range(12))))
        [(live,)] = execute(database_url, "SELECT count(*) FROM runs WHERE status = 'running'")
        gate.open()
        for turn in turns:
            with follow(alice, turn["run_id"]) as response:
                assert hear(response).text == "Well."
    # One whose start has just ended may still be counted twice; the rest is claimed within a second.
    assert 1 <= live <= 2


def test_a_turn_in_the_way_is_refused_by_a_process_that_has_no_room_too(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    gate = Gate()
    model.answers(say("Hi."), gate.before(say("Well.")), say("What followed."))
    with running_api(database_url, model.url, max_live_runs=1) as url:
        alice = person(url)
        first = alice.say("Hello")["conversation_id"]
        with in_thread(lambda: alice.say("First", first)):
            gate.wait()
            refused = alice.post("Second", first)
            gate.open()
        assert refused.json()["error"]["code"] == "conversation_busy"
        alice.say("Third", first)
        said = [message["content"] for message in alice.messages(first) if message["role"] == "user"]
    assert said == ["Hello", "First", "Third"]
    # A turn that was refused takes no place, which the next one would follow.
    assert execute(database_url, "SELECT next_position FROM conversations") == [(6,)]


def test_a_decision_is_no_sign_of_a_crash(database_url: str, model: ModelServer, person: MakePerson) -> None:
    gate, done = Gate(), list[str]()
    app = letters(gate, done)
    with (
        serve(app) as tools,
        running_api(database_url, model.url, mcp_url=f"{tools}/mcp", max_attempts=2) as url,
    ):
        alice = person(url)
        model.answers(call("send_letter", to="Bob"), say("Done."))
        with in_thread(lambda: alice.post("Write to Bob")) as waiting:
            gate.wait()
            expire_leases(database_url)
            run_id = waiting.result().json()["error"]["details"]["run_id"]
        [asked] = requests(alice, run_id)
        alice.http.post(
            f"/api/v1/runs/{run_id}/approvals",
            json={"step_id": "1.1", "decision": "approve", "seq": asked["seq"]},
        )
        with follow(alice, run_id) as response:
            assert hear(response).text == "Done."
        gate.open()
    assert done == ["Bob", "Bob"]


def test_a_cancel_that_meets_the_claim_of_a_turn_in_line_is_not_lost(
    alice: Person, api_database: str, model: ModelServer
) -> None:
    conversation_id = alice.say("Hello")["conversation_id"]
    hold = Hold()
    model.answers(stream("One", hold, "."), say("Nobody asked for this."))
    body = {"message": "First", "conversation_id": conversation_id, "if_busy": "enqueue"}
    prefer = {"Prefer": "respond-async"}
    first, second = (
        alice.http.post(f"/api/{alice.name}/chat", json=body, headers=prefer).json()["data"]["run_id"]
        for _ in range(2)
    )
    hold.wait()
    with transaction(api_database) as other:
        other.execute("UPDATE runs SET status = 'completed', finished_at = now() WHERE id = %s", [first])
        claimed = """
            UPDATE runs SET status = 'running', attempt = 1, lease_owner = gen_random_uuid(),
                lease_until = now()
            WHERE id = %s
        """
        other.execute(claimed, [second])
        with in_thread(lambda: alice.http.post(f"/api/v1/runs/{second}/cancel")) as cancelling:
            until_it_waits(api_database)
            other.commit()
            assert cancelling.result().json()["status"] == "cancelled"
    hold.open()


def test_a_turn_does_not_overtake_one_that_was_put_in_line_at_the_same_moment(
    alice: Person, api_database: str, model: ModelServer
) -> None:
    conversation_id = alice.say("Hello")["conversation_id"]
    model.script = lambda chat: say(f"After {chat['messages'][-1]['content']}.")
    with transaction(api_database) as other:
        other.execute(ENQUEUE, {"conversation_id": conversation_id, "run_id": uuid4()})
        ids = {"conversation_id": conversation_id, "if_busy": "enqueue"}
        with in_thread(lambda: post(alice, "Third", **ids)) as third:
            until_it_waits(api_database)
            other.commit()
            assert third.result().json()["data"]["response"] == "After Third."
    said = [message["content"] for message in model.requests[-1]["messages"][1:]]
    assert said == ["Hello", "Hello.", "Second", "After Second.", "Third"]


def until_said(capsys: pytest.CaptureFixture[str], word: str) -> None:
    """Until the log of a server in this process has the word."""
    said = ""
    while word not in said:
        said += capsys.readouterr().out


def go_on_elsewhere(alice: Person, database_url: str, model: ModelServer) -> None:
    """A turn whose replica dies is taken over."""
    hold = Hold()
    model.answers(stream("Half", hold), say("All of it."))
    while not (turn := begin(alice, "And now?")):
        # As an answer of 503 asks for.
        continue
    hold.wait()
    expire_leases(database_url)
    with follow(alice, turn["run_id"]) as response:
        assert hear(response).text == "All of it."
    hold.open()


def test_a_database_that_takes_no_writes_for_a_while_leaves_nothing_undone(
    postgres_url: str,
    database_url: str,
    model: ModelServer,
    person: MakePerson,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = execute(database_url, "SELECT current_database()")[0][0]

    read_only = f'ALTER DATABASE "{name}" SET default_transaction_read_only'
    with running_api(database_url, model.url) as url:
        alice = person(url)
        alice.say("Hello")
        execute(postgres_url, f"{read_only} = on")
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        execute(postgres_url, cut, name)
        while alice.post("Now?").status_code != 503:
            # On a connection that was being made at that moment.
            continue
        until_said(capsys, "nothing_claimed")
        # Nobody ends the connections: a server that was demoted keeps them.
        execute(postgres_url, f"{read_only} = off")
        go_on_elsewhere(alice, database_url, model)


def test_a_fault_that_nobody_thought_of_leaves_nothing_undone(
    database_url: str, model: ModelServer, person: MakePerson, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_api(database_url, model.url) as url:
        alice = person(url)
        alice.say("Hello")
        execute(database_url, "ALTER TABLE runs RENAME TO lost")
        until_said(capsys, "_claim_forever")
        execute(database_url, "ALTER TABLE lost RENAME TO runs")
        go_on_elsewhere(alice, database_url, model)


def test_a_reader_of_a_run_that_is_deleted_is_let_go(
    alice: Person, api_database: str, model: ModelServer
) -> None:
    hold = Hold()
    model.answers(stream("Half ", hold, "of it."))
    turn = begin(alice, "Hello")
    hold.wait()
    with follow(alice, turn["run_id"]) as response:
        execute(api_database, "DELETE FROM conversations WHERE id = %s", turn["conversation_id"])
        assert not hear(response).ended
    hold.open()
    assert alice.http.get(f"/api/v1/runs/{turn['run_id']}/events").status_code == 404
