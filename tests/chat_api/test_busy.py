"""Turns that meet, turns whose client leaves, and turns whose replica dies."""

import json
import socket
import time
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from sqlalchemy import make_url

from tests.chat_api.conftest import MakePerson
from tests.chat_api.processes import replica_process
from tests.chat_api.replica import Gate, execute, in_thread, running_api
from tests.model_server import ModelServer, call, say
from tests.servers import Person, token_for


def test_a_second_turn_is_refused_while_one_runs(alice: Person, model: ModelServer) -> None:
    conversation_id = alice.say("Hello")["conversation_id"]
    gate = Gate()
    model.answers(gate.before(say("First.")), say("Third."))
    with in_thread(lambda: alice.say("One", conversation_id)) as first:
        gate.wait()
        refused = alice.post("Two", conversation_id)
        kept = alice.messages(conversation_id)
        gate.open()
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "conversation_busy"
    assert int(refused.headers["Retry-After"]) > 0
    assert [message["content"] for message in kept] == ["Hello", "Hello.", "One"]
    assert first.result()["response"] == "First."
    assert alice.say("Three", conversation_id)["response"] == "Third."
    said = [message["content"] for message in alice.messages(conversation_id)]
    assert said == ["Hello", "Hello.", "One", "First.", "Three", "Third."]


def test_other_conversations_go_on_while_one_waits(
    alice: Person, person: MakePerson, model: ModelServer
) -> None:
    gate = Gate()
    model.answers(gate.before(say("Slow.")), say("Quick."), say("Quick."))
    with in_thread(lambda: alice.say("One")) as slow:
        gate.wait()
        assert alice.say("Elsewhere")["response"] == "Quick."
        assert person().say("Somebody else")["response"] == "Quick."
        assert not slow.done()
        gate.open()
    assert slow.result()["response"] == "Slow."


def test_of_turns_that_race_one_wins(alice: Person, model: ModelServer) -> None:
    conversation_id = alice.say("Hello")["conversation_id"]
    gate = Gate()
    model.script = gate.before(say("Won."))
    with in_thread(lambda: alice.post("a", conversation_id)) as one:
        with in_thread(lambda: alice.post("b", conversation_id)) as two:
            gate.wait()
            while not (one.done() or two.done()):
                assert alice.post("c", conversation_id).status_code == 409
            gate.open()
        assert sorted((one.result().status_code, two.result().status_code)) == [200, 409]
    assert len(alice.messages(conversation_id)) == 4


def test_a_client_that_leaves_does_not_end_its_turn(alice: Person, api: str, model: ModelServer) -> None:
    conversation_id = alice.say("Hello")["conversation_id"]
    gate = Gate()
    model.answers(call("add_todo", title="Milk"), gate.before(say("Noted.")))
    body = json.dumps({"message": "Buy milk", "conversation_id": conversation_id}).encode()
    head = (
        f"POST /api/{alice.name}/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        f"Content-Type: application/json\r\nAuthorization: Bearer {token_for(alice.name)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", urlsplit(api).port or 0)) as client:
        client.sendall(head.encode() + body)
        gate.wait()
    gate.open()
    kept = messages_when(alice, conversation_id, 4)
    assert (kept[2]["content"], kept[3]["content"]) == ("Buy milk", "Noted.")
    assert kept[3]["tool_calls"][0]["result"]["title"] == "Milk"


def messages_when(alice: Person, conversation_id: str, count: int) -> list[dict[str, Any]]:
    """The messages once there are `count`: asking is how one learns of it."""
    deadline = time.monotonic() + 30
    while len(kept := alice.messages(conversation_id)) < count:
        assert time.monotonic() < deadline, kept
    return kept


def expire_lease(database_url: str, conversation_id: str) -> None:
    execute(
        database_url,
        "UPDATE runs SET lease_until = now() - interval '1 second' WHERE conversation_id = %s",
        conversation_id,
    )


def test_another_replica_goes_on_with_the_turn_of_a_killed_one(
    api_database: str, alice: Person, person: MakePerson, model: ModelServer
) -> None:
    conversation_id = alice.say("Hello")["conversation_id"]
    gate = Gate()
    model.answers(gate.before(say("Nobody hears this.")), say("Here I am."), say("Fine."))
    with replica_process(api_database, model.url) as (url, process):
        elsewhere = person(url, alice.name)
        with in_thread(lambda: elsewhere.post("Are you there?", conversation_id)) as lost:
            gate.wait()
            process.kill()
            assert lost.exception() is not None
    assert alice.post("Hello?", conversation_id).status_code == 409
    expire_lease(api_database, conversation_id)
    messages_when(alice, conversation_id, 4)
    assert alice.say("Good.", conversation_id)["response"] == "Fine."
    said = [message["content"] for message in alice.messages(conversation_id)]
    assert said == ["Hello", "Hello.", "Are you there?", "Here I am.", "Good.", "Fine."]
    gate.open()


def test_a_replica_that_lost_its_lease_writes_nothing(
    api_database: str, alice: Person, person: MakePerson, model: ModelServer
) -> None:
    conversation_id = alice.say("Hello")["conversation_id"]
    gate = Gate()
    model.answers(gate.before(say("Too late.")), say("Taken over."))
    with running_api(api_database, model.url) as url:
        elsewhere = person(url, alice.name)
        with in_thread(lambda: elsewhere.post("One", conversation_id)) as late:
            gate.wait()
            expire_lease(api_database, conversation_id)
            messages_when(alice, conversation_id, 4)
            gate.open()
        # Who waits gets the answer, whichever replica gave it.
        assert late.result().json()["data"]["response"] == "Taken over."
    said = [message["content"] for message in alice.messages(conversation_id)]
    assert said == ["Hello", "Hello.", "One", "Taken over."]


def test_a_replica_that_is_stopped_hands_its_turns_over(
    api_database: str, alice: Person, person: MakePerson, model: ModelServer
) -> None:
    conversation_id = alice.say("Hello")["conversation_id"]
    gate = Gate()
    model.answers(call("add_todo", title="Milk"), gate.before(say("Too late.")), say("Here."))
    with replica_process(api_database, model.url) as (url, process):
        elsewhere = person(url, alice.name)
        with in_thread(lambda: elsewhere.post("Buy milk", conversation_id)) as interrupted:
            gate.wait()
            process.terminate()
            assert process.wait(30) == 0
        answer = interrupted.result()
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "interrupted")
    # No lease has to run out, and no call is made again.
    kept = messages_when(alice, conversation_id, 4)
    assert kept[3]["content"] == "Here."
    assert [made["result"]["title"] for made in kept[3]["tool_calls"]] == ["Milk"]
    run_id = answer.json()["error"]["details"]["run_id"]
    assert alice.http.get(f"/api/v1/runs/{run_id}").json()["attempt"] == 2
    gate.open()


def test_a_turn_that_fails_inside_leaves_its_conversation_free(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    """The API's own role may not read what was said before, for a while."""
    role = f"reader_{uuid4().hex}"
    execute(database_url, f"CREATE ROLE {role} LOGIN")
    execute(database_url, f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
    own_url = make_url(database_url).set(username=role).render_as_string(hide_password=False)
    try:
        with running_api(own_url, model.url) as url:
            alice = person(url)
            conversation_id = alice.say("Hello")["conversation_id"]
            execute(database_url, f"REVOKE SELECT ON messages FROM {role}")
            execute(database_url, f"GRANT SELECT (position) ON messages TO {role}")
            failed = alice.post("Are you there?", conversation_id)
            assert (failed.status_code, failed.json()["error"]["code"]) == (500, "internal_error")
            execute(database_url, f"GRANT SELECT ON messages TO {role}")
            assert alice.say("And now?", conversation_id)["response"] == "Hello."
    finally:
        execute(database_url, f"DROP OWNED BY {role}")
        execute(database_url, f"DROP ROLE {role}")
