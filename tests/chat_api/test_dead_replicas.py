"""Runs of a replica that is gone: Postgres tells of its end before its lease does."""

import signal
from datetime import datetime
from typing import NamedTuple

from tests.chat_api.conftest import MakePerson
from tests.chat_api.processes import replica_process
from tests.chat_api.replica import Gate, execute
from tests.chat_api.streams import SSE, hear
from tests.model_server import ModelServer, say
from tests.servers import Person


class TakenOver(NamedTuple):
    """When another replica took a run over, and when the lease would have ended."""

    at: datetime
    lease_until: datetime
    text: str


def taken_over_after(
    ending: signal.Signals, lease: str, alice: Person, person: MakePerson, database: str, model: ModelServer
) -> TakenOver:
    """Send `ending` to the replica that drives a turn, whose lease then has `lease` to go."""
    gate = Gate()
    model.answers(gate.before(say("Never.")), say("Here I am."))
    with replica_process(database, model.url) as (url, process):
        elsewhere = person(url, alice.name)
        body, headers = {"message": "Hello"}, {"Prefer": "respond-async"}
        taken = elsewhere.http.post(f"/api/{alice.name}/chat", json=body, headers=headers)
        run_id = taken.json()["data"]["run_id"]
        gate.wait()
        process.send_signal(ending)
        if ending is signal.SIGKILL:
            process.wait()
        renewed = (
            f"UPDATE runs SET lease_until = now() + interval '{lease}' WHERE id = %s RETURNING lease_until"
        )
        [(lease_until,)] = execute(database, renewed, run_id)
        with alice.http.stream("GET", f"/api/v1/runs/{run_id}/events", headers={"Accept": SSE}) as events:
            heard = hear(events)
    gate.open()
    at = execute(database, "SELECT at FROM events WHERE run_id = %s AND type = 'attempt'", run_id)
    return TakenOver(at[0][0], lease_until, heard.text)


def test_the_run_of_a_killed_replica_goes_on_before_its_lease_ends(
    alice: Person, person: MakePerson, api_database: str, model: ModelServer
) -> None:
    taken = taken_over_after(signal.SIGKILL, "4 seconds", alice, person, api_database, model)
    assert taken.at < taken.lease_until
    assert taken.text == "Here I am."


def test_a_replica_that_only_hangs_keeps_its_run_until_its_lease_ends(
    alice: Person, person: MakePerson, api_database: str, model: ModelServer
) -> None:
    taken = taken_over_after(signal.SIGSTOP, "3 seconds", alice, person, api_database, model)
    assert taken.at >= taken.lease_until
    assert taken.text == "Here I am."
