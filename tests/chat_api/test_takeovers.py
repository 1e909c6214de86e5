"""Turns that go on where a process has stopped, from the steps that were kept."""

from typing import Any
from uuid import uuid4

from tests.chat_api.replica import Gate, execute
from tests.chat_api.streams import SSE, hear
from tests.model_server import Hold, ModelServer, call, say, stream
from tests.servers import Person

EXPIRE = "UPDATE runs SET lease_until = now() - interval '1 second' WHERE conversation_id = %s"


def begin(person: Person, message: str) -> dict[str, Any]:
    """Take a turn without waiting for it; return its ids."""
    path, headers = f"/api/{person.name}/chat", {"Prefer": "respond-async"}
    return person.http.post(path, json={"message": message}, headers=headers).json()["data"]


def follow(person: Person, run_id: str) -> Any:
    return person.http.stream("GET", f"/api/v1/runs/{run_id}/events", headers={"Accept": SSE})


def test_a_turn_that_keeps_killing_its_server_is_given_up(
    alice: Person, api_database: str, model: ModelServer
) -> None:
    gate = Gate()
    model.answers(gate.before(say("Never.")), gate.before(say("Never.")))
    turn = begin(alice, "Hello")
    gate.wait()
    execute(api_database, "UPDATE runs SET attempt = 5 WHERE id = %s", turn["run_id"])
    execute(api_database, EXPIRE, turn["conversation_id"])
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
        execute(api_database, EXPIRE, turn["conversation_id"])
        heard = hear(response)
    hold.open()
    assert heard.text == "All of it."
    assert [frame["attempt"] for frame in heard.frames if frame["type"] == "attempt"] == [2]
    assert len(model.requests) == 3
    assert execute(api_database, "SELECT count(*) FROM todos WHERE title = %s", title) == [(1,)]
    steps = alice.http.get(f"/api/v1/runs/{turn['run_id']}/steps").json()["steps"]
    assert [(step["step_id"], step["attempt"]) for step in steps] == [("1", 1), ("1.1", 1), ("2", 2)]
    assert alice.messages(turn["conversation_id"])[1]["content"] == "All of it."
