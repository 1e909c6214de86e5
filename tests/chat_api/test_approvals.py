"""Agents that have their users asked before a call is made."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from tests.chat_api.conftest import MakePerson
from tests.chat_api.deciding import (
    agent,
    asked,
    begin,
    decide,
    ended,
    over_socket,
    told_of_tools,
    until_asked,
    with_agent,
)
from tests.chat_api.replica import execute, running_api
from tests.chat_api.streams import NDJSON, SSE, Heard, frames
from tests.model_server import ModelServer, call, calls, say
from tests.servers import Person

ASKS = {"approvals": {"tools": ["add_todo"]}}


def todos(database: str, title: str) -> int:
    [(count,)] = execute(database, "SELECT count(*) FROM todos WHERE title = %s", title)
    return count


def test_a_call_waits_until_it_is_approved(alice: Person, api_database: str, model: ModelServer) -> None:
    title = uuid4().hex
    model.answers(call("add_todo", title=title), say("Noted."))
    run_id = begin(alice, agent(alice, **ASKS))
    [frame] = until_asked(alice, run_id)
    wanted = {"step_id": "1.1", "name": "add_todo", "arguments": {"title": title}, "reason": "approval"}
    assert frame.items() >= wanted.items()
    assert asked(alice, run_id) == [wanted]
    assert alice.http.get(f"/api/v1/runs/{run_id}").json()["status"] == "requires_action"
    assert todos(api_database, title) == 0
    assert decide(alice, run_id).status_code == 200
    assert ended(alice, run_id).text == "Noted."
    assert todos(api_database, title) == 1
    assert asked(alice, run_id) == []
    assert len(model.requests) == 2


def test_without_a_rule_nobody_is_asked(alice: Person, api_database: str, model: ModelServer) -> None:
    title = uuid4().hex
    model.answers(call("add_todo", title=title), say("Noted."))
    assert with_agent(alice, agent(alice)).status_code == 200
    assert todos(api_database, title) == 1


def test_all_that_is_not_read_only_can_be_asked_about(alice: Person, model: ModelServer) -> None:
    model.answers(call("calculator", expression="2+3"), call("add_todo", title="x"), say("Noted."))
    run_id = begin(alice, agent(alice, approvals={"not_read_only": True}))
    [frame] = until_asked(alice, run_id)
    assert (frame["step_id"], frame["name"]) == ("2.1", "add_todo")
    assert '"5"' in told_of_tools(model.requests[1])[0]
    decide(alice, run_id, step_id="2.1")
    assert ended(alice, run_id).text == "Noted."


def test_a_rejected_call_is_not_made_and_the_model_is_told_why(
    alice: Person, api_database: str, model: ModelServer
) -> None:
    title = uuid4().hex
    model.answers(call("add_todo", title=title), say("As you like."))
    run_id = begin(alice, agent(alice, **ASKS))
    until_asked(alice, run_id)
    assert decide(alice, run_id, "reject", reason="I have one already.").status_code == 200
    assert ended(alice, run_id).text == "As you like."
    assert todos(api_database, title) == 0
    [told] = told_of_tools(model.requests[1])
    assert told == "The user did not allow this call, so it was not made. They said: I have one already."
    conversation_id = alice.http.get(f"/api/v1/runs/{run_id}").json()["conversation_id"]
    [made] = alice.messages(conversation_id)[1]["tool_calls"]
    assert made == {"tool": "add_todo", "args": {"title": title}, "result": None, "error": told}


def test_a_call_is_made_with_the_arguments_that_the_user_has_put_in(
    alice: Person, api_database: str, model: ModelServer
) -> None:
    wanted, better = uuid4().hex, uuid4().hex
    model.answers(call("add_todo", title=wanted), say("Noted."), say("You changed it."))
    run_id = begin(alice, agent(alice, **ASKS))
    until_asked(alice, run_id)
    assert decide(alice, run_id, arguments={"title": better}).status_code == 200
    heard = ended(alice, run_id)
    assert (todos(api_database, wanted), todos(api_database, better)) == (0, 1)
    [begun] = [frame for frame in heard.frames if frame["type"] == "trace_start" and frame["kind"] == "tool"]
    assert begun["arguments"] == {"title": better}
    [told] = told_of_tools(model.requests[1])
    assert told.startswith(f'The user put in these arguments instead: {{"title": "{better}"}}')
    conversation_id = alice.http.get(f"/api/v1/runs/{run_id}").json()["conversation_id"]
    assert alice.messages(conversation_id)[1]["tool_calls"][0]["args"] == {"title": better}
    alice.say("What did I do?", conversation_id)
    [later] = told_of_tools(model.requests[2])
    assert later.partition("\n")[0] == told.partition("\n")[0]


def test_a_turn_waits_for_all_that_it_asked_at_once(
    alice: Person, api_database: str, model: ModelServer
) -> None:
    first, second = uuid4().hex, uuid4().hex
    model.answers(
        calls(
            ("add_todo", {"title": first}),
            ("calculator", {"expression": "1"}),
            ("add_todo", {"title": second}),
        ),
        say("Half noted."),
    )
    run_id = begin(alice, agent(alice, **ASKS))
    assert [frame["step_id"] for frame in until_asked(alice, run_id, times=2)] == ["1.1", "1.3"]
    assert decide(alice, run_id, "reject", step_id="1.3").json()["status"] == "requires_action"
    assert [request["step_id"] for request in asked(alice, run_id)] == ["1.1"]
    assert (todos(api_database, first), todos(api_database, second)) == (0, 0)
    assert decide(alice, run_id, step_id="1.1").status_code == 200
    assert ended(alice, run_id).text == "Half noted."
    assert (todos(api_database, first), todos(api_database, second)) == (1, 0)


def test_decisions_at_the_same_moment_are_all_kept(
    alice: Person, api_database: str, model: ModelServer
) -> None:
    titles = [uuid4().hex for _ in range(8)]
    model.answers(calls(*(("add_todo", {"title": title}) for title in titles)), say("Noted."))
    run_id = begin(alice, agent(alice, **ASKS))
    steps = [frame["step_id"] for frame in until_asked(alice, run_id, times=8)]
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(partial(decide, alice, run_id, "approve"), steps)
        assert [answer.status_code for answer in answers] == [200] * 8
    assert ended(alice, run_id).text == "Noted."
    assert [todos(api_database, title) for title in titles] == [1] * 8


@pytest.mark.parametrize("accept", [SSE, NDJSON])
def test_a_stream_stays_open_while_the_user_decides(alice: Person, model: ModelServer, accept: str) -> None:
    model.answers(call("add_todo", title="Milk"), say("Noted."))
    path, body = f"/api/{alice.name}/chat", {"message": "Go on", "agent_id": agent(alice, **ASKS)}
    heard = Heard()
    with alice.http.stream("POST", path, json=body, headers={"Accept": accept}) as response:
        for number, frame in frames(response):
            heard.take(number, frame)
            if frame["type"] == "approval":
                assert frame.get("arguments", frame.get("args")) == {"title": "Milk"}
                assert decide(alice, response.headers["X-Run-ID"]).status_code == 200
    assert heard.text == "Noted."
    assert heard.ended


def test_a_websocket_tells_the_question_and_goes_on(alice: Person, model: ModelServer) -> None:
    model.answers(call("add_todo", title="Milk"), say("Noted."))
    run_id = begin(alice, agent(alice, **ASKS))
    before, after = over_socket(alice, run_id)
    assert before[-1]["arguments"] == {"title": "Milk"}
    assert [frame["decision"] for frame in after if frame["type"] == "trace_update"] == ["approve"]
    assert after[-1]["type"] == "done"


def test_a_client_that_waits_for_the_whole_answer_is_told_what_is_asked(
    alice: Person, model: ModelServer
) -> None:
    model.answers(call("add_todo", title="Milk"), say("Noted."))
    refused = with_agent(alice, agent(alice, **ASKS))
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (409, "requires_action")
    [request] = error["details"]["requests"]
    assert request["arguments"] == {"title": "Milk"}
    assert asked(alice, error["details"]["run_id"]) == [request]


def test_another_server_goes_on_after_the_one_that_asked_is_gone(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    title = uuid4().hex
    model.answers(call("add_todo", title=title), say("Noted."))
    with running_api(database_url, model.url) as url:
        alice = person(url)
        run_id = begin(alice, agent(alice, **ASKS))
        until_asked(alice, run_id)
    with running_api(database_url, model.url) as url:
        again = person(url, name=alice.name)
        assert [request["name"] for request in asked(again, run_id)] == ["add_todo"]
        assert decide(again, run_id).status_code == 200
        assert ended(again, run_id).text == "Noted."
    assert todos(database_url, title) == 1
    assert len(model.requests) == 2


@pytest.mark.parametrize(
    "rules",
    [{"approvals": {"tools": ["list_todos"]}}, {"tools": ["run_python", "calculator"]}],
)
def test_a_program_cannot_get_round_the_rules_of_its_agent(
    alice: Person, model: ModelServer, rules: dict[str, Any]
) -> None:
    code = "list_todos()"
    model.answers(call("run_python", code=code), call("run_python", code="calculator('2+3')"), say("Well."))
    answer = with_agent(alice, agent(alice, **rules)).json()["data"]
    refused, fine = answer["tool_calls"]
    assert "Code cannot call list_todos here" in refused["error"]
    assert fine["result"]["value"]["result"] == "5"


def test_a_program_can_call_what_reads_where_no_rule_is_against_it(alice: Person, model: ModelServer) -> None:
    model.answers(call("run_python", code="len(list_todos()['todos'])"), say("None."))
    answer = with_agent(alice, agent(alice, approvals={"not_read_only": True})).json()["data"]
    assert answer["tool_calls"][0]["result"]["value"] == 0
