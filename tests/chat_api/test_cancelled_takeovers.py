"""Turns that are cancelled while nobody drives them: what was said and done until then is kept."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from chat_api.runs import worker
from chat_api.runs.errors import LeaseLost
from chat_api.runs.log import RunLog
from tests.chat_api.conftest import MakePerson
from tests.chat_api.deciding import agent, decide, ended, told_of_tools, until_asked
from tests.chat_api.deciding import begin as begin_with
from tests.chat_api.replica import Gate, execute, running_api
from tests.chat_api.test_takeovers import begin, follow, hear, letters, until_kept
from tests.model_server import Hold, ModelServer, call, calls, say, serve, stream
from tests.servers import Person

DIES = """
    UPDATE runs SET lease_owner = gen_random_uuid(), lease_until = now() - interval '1 second',
        cancel_requested = %s, attempt = %s
    WHERE id = %s
"""
FORGETS = "DELETE FROM events WHERE run_id = %s AND data ->> 'kind' = 'tool'"
TOOK_OVER = """
    INSERT INTO events (run_id, seq, first_seq, user_id, type, data, at)
    SELECT id, 2000000001, 2000000001, user_id, 'attempt', '{"attempt": 2, "text": "Half"}', now()
    FROM runs WHERE id = %s
"""


def of_run(person: Person, turn: dict[str, Any]) -> dict[str, Any]:
    return person.http.get(f"/api/v1/runs/{turn['run_id']}").json()


@pytest.mark.parametrize("attempt", [1, 2])
def test_what_readers_saw_stands_though_nobody_was_there_to_keep_it(
    alice: Person, api_database: str, model: ModelServer, attempt: int
) -> None:
    """Also where whoever was to keep it died, too."""
    hold = Hold()
    model.answers(stream("Half", hold))
    turn = begin(alice, "Hello")
    with follow(alice, turn["run_id"]) as response:
        hold.wait()
        until_kept(api_database, turn["run_id"])
        if attempt == 2:
            execute(api_database, TOOK_OVER, turn["run_id"])
        execute(api_database, DIES, True, attempt, turn["run_id"])
        heard = hear(response)
    hold.open()
    assert heard.text == "Half"
    assert of_run(alice, turn)["status"] == "cancelled"
    answer = alice.messages(turn["conversation_id"])[1]
    assert (answer["status"], answer["content"]) == ("cancelled", "Half")
    assert {frame["step_id"] for frame in heard.frames if frame["type"] == "trace_end"} == {"1"}
    [step] = alice.http.get(f"/api/v1/runs/{turn['run_id']}/steps").json()["steps"]
    assert (step["status"], "interrupted" in step["error"]) == ("failed", True)


@pytest.mark.parametrize(("cancelled", "text", "requests"), [(True, "One.", 1), (False, "Two.", 2)])
def test_an_answer_that_was_said_is_paid_for_though_its_end_was_not_kept(
    alice: Person,
    api_database: str,
    model: ModelServer,
    monkeypatch: pytest.MonkeyPatch,
    cancelled: bool,
    text: str,
    requests: int,
) -> None:
    conclude = worker.conclude

    async def dies(db: Any, turn: Any, log: RunLog, *end: Any) -> Any:
        monkeypatch.setattr(worker, "conclude", conclude)
        while log.has_news:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        # At once: the next attempt is not to begin before it is cancelled.
        await asyncio.to_thread(execute, api_database, DIES, cancelled, 1, str(turn.run_id))
        raise LeaseLost

    monkeypatch.setattr(worker, "conclude", dies)
    model.answers(stream("One."), stream("Two."))
    turn = begin(alice, "Hello")
    with follow(alice, turn["run_id"]) as response:
        assert hear(response).text == text
    run = of_run(alice, turn)
    assert run["status"] == ("cancelled" if cancelled else "completed")
    assert (run["usage"]["requests"], run["usage"]["total_tokens"]) == (requests, 15 * requests)
    assert run["model"] == "scripted"
    assert alice.messages(turn["conversation_id"])[1]["content"] == text


@pytest.mark.parametrize("approvals", [[], ["calculator"]])
def test_a_call_that_the_log_has_only_as_wanted_may_have_been_made(
    alice: Person, api_database: str, model: ModelServer, approvals: list[str]
) -> None:
    """It need not be on disk that one was begun that can be repeated; one that waits was not."""
    title, hold = uuid4().hex, Hold()
    wanted = calls(("add_todo", {"title": title}), ("calculator", {"expression": "6*7"}))
    model.answers(wanted, stream("Half", hold))
    run_id = begin_with(alice, agent(alice, approvals={"tools": approvals}))
    if approvals:
        until_asked(alice, run_id)
        run = alice.http.post(f"/api/v1/runs/{run_id}/cancel").json()
    else:
        hold.wait()
        until_kept(api_database, run_id)
        execute(api_database, FORGETS, run_id)
        execute(api_database, DIES, True, 1, run_id)
        ended(alice, run_id)
        run = of_run(alice, {"run_id": run_id})
    hold.open()
    told = [each for message in alice.messages(run["conversation_id"])[1:] for each in message["tool_calls"]]
    made = execute(api_database, "SELECT count(*) FROM todos WHERE title = %s", title)
    assert (run["status"], made) == ("cancelled", [(0 if approvals else 1,)])
    assert [each["tool"] for each in told] == ([] if approvals else ["add_todo", "calculator"])
    assert all("may or may not have happened" in each["error"] for each in told)


def test_a_call_that_is_cut_off_is_told_with_the_arguments_that_the_user_put_in(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    gate, done = Gate(), list[str]()
    app = letters(gate, done)
    with serve(app) as tools, running_api(database_url, model.url, mcp_url=f"{tools}/mcp") as url:
        alice = person(url)
        model.answers(call("send_letter", to="Bob"))
        run_id = begin_with(alice, agent(alice, approvals={"not_read_only": True}))
        until_asked(alice, run_id)
        decide(alice, run_id, arguments={"to": "Carol"})
        gate.wait()
        run = alice.http.post(f"/api/v1/runs/{run_id}/cancel").json()
        gate.open()
        [made] = alice.messages(run["conversation_id"])[1]["tool_calls"]
        model.answers(say("Well."))
        alice.say("And?", run["conversation_id"])
    assert made["args"] == {"to": "Carol"}
    [told] = told_of_tools(model.requests[-1])
    assert 'The user put in these arguments instead: {"to": "Carol"}' in told
