"""A provider that is down, slow, or talks nonsense."""

from typing import Any

import httpx2
import pytest
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from tests.chat_api.conftest import MakePerson
from tests.chat_api.deciding import agent, begin, decide, ended, until_asked
from tests.chat_api.processes import free_port
from tests.chat_api.raw_server import (
    RawAnswer,
    babble,
    halve,
    halve_chunks,
    hang_up,
    raw_server,
    reset,
)
from tests.chat_api.replica import Gate, fresh_database, running_api
from tests.model_server import ModelServer, call, say
from tests.servers import Person

SECRET_WORDS = "words of the provider's own"


def saying(**message: Any) -> Response:
    return JSONResponse({"choices": [{"index": 0, "message": {"role": "assistant"} | message}]})


def verbatim(text: str) -> Response:
    return Response(text, media_type="application/json")


NONSENSE: dict[str, Response] = {
    "status 500": Response(SECRET_WORDS, 500),
    "status 400": JSONResponse({"error": {"message": SECRET_WORDS}}, 400),
    "status 401": Response(SECRET_WORDS, 401),
    "status 403": Response(SECRET_WORDS, 403),
    "status 404": Response(SECRET_WORDS, 404),
    "status 429": Response(SECRET_WORDS, 429, {"Retry-After": "3600"}),
    "status 503": Response(SECRET_WORDS, 503),
    "status 204": Response(status_code=204),
    "a redirect": RedirectResponse("http://127.0.0.1:1/v1/chat/completions"),
    "html": HTMLResponse(f"<p>{SECRET_WORDS}</p>"),
    "nothing": verbatim(""),
    "no JSON": verbatim(SECRET_WORDS),
    "no UTF-8": Response(b'{"choices": "\xff\xfe"}', media_type="application/json"),
    "{}": verbatim("{}"),
    "[]": verbatim("[]"),
    "null": verbatim("null"),
    "a number": verbatim("17"),
    "no choices": verbatim('{"choices": []}'),
    "choices null": verbatim('{"choices": null}'),
    "choices of null": verbatim('{"choices": [null]}'),
    "choices an object": verbatim('{"choices": {"0": 1}}'),
    "message null": verbatim('{"choices": [{"message": null}]}'),
    "message a string": verbatim(f'{{"choices": [{{"message": "{SECRET_WORDS}"}}]}}'),
    "content a number": saying(content=17),
    "content an object": saying(content={"text": SECRET_WORDS}),
    "content a list of numbers": saying(content=[17]),
    "content a list of lists": saying(content=[[]]),
    "no content": saying(),
    "content null": saying(content=None),
    "content empty": saying(content=""),
    "content of NUL alone": verbatim('{"choices": [{"message": {"content": "\\u0000"}}]}'),
    "calls a number": saying(tool_calls=17),
    "calls of null": saying(tool_calls=[None]),
    "a call of nothing": saying(tool_calls=[{}]),
    "a call without a name": saying(tool_calls=[{"function": {"arguments": "{}"}}]),
    "a call of null": saying(tool_calls=[{"function": None}]),
    "10,000 lists": verbatim("[" * 10_000 + "]" * 10_000),
    "10,000 objects": verbatim('{"choices":' * 10_000 + "1" + "}" * 10_000),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_an_answer_that_is_none_fails_the_turn_and_loses_nothing(
    alice: Person, model: ModelServer, name: str
) -> None:
    conversation_id = alice.say("Hello")["conversation_id"]
    first = iter([call("add_todo", title="Milk")])
    model.script = lambda _: next(first, NONSENSE[name])
    response = alice.post("Buy milk", conversation_id)
    assert_failed(response, 502, "provider_failed")
    assert SECRET_WORDS not in response.text
    assert_goes_on(alice, model, conversation_id)


def assert_failed(response: httpx2.Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    body = response.json()
    assert (body["success"], body["data"], body["error"]["code"]) == (False, None, code)
    assert body["message"].endswith(".")
    assert body["error"]["request_id"] == response.headers["X-Request-ID"]


def assert_goes_on(alice: Person, model: ModelServer, conversation_id: str) -> None:
    """The failed turn's message and calls are kept and told to the model, which answers the next turn."""
    kept = alice.messages(conversation_id)
    assert [message["content"] for message in kept] == ["Hello", "Hello.", "Buy milk", ""]
    assert kept[-1]["tool_calls"][0]["result"]["title"] == "Milk"
    model.answers(say("It is noted."))
    assert alice.say("And?", conversation_id)["response"] == "It is noted."
    told = [(message["role"], message["content"]) for message in model.requests[-1]["messages"][3:]]
    roles = [role for role, _ in told]
    assert (roles[:3], roles[-1]) == (["user", "assistant", "tool"], "user")
    assert "Milk" in str(told[2][1])


def test_a_provider_that_is_busy_for_a_moment_is_asked_again(alice: Person, model: ModelServer) -> None:
    model.answers(Response("busy", 503), say("Here I am."))
    assert alice.say("Hello")["response"] == "Here I am."


def test_who_may_call_less_makes_the_calls_that_were_wanted_before(
    postgres_url: str, template: str, model: ModelServer, person: MakePerson
) -> None:
    model.answers(call("calculator", expression="2+3"), call("add_todo", title="Milk"), say("Noted."))
    with fresh_database(postgres_url, template) as database:
        with running_api(database, model.url) as url:
            alice = person(url)
            run_id = begin(alice, agent(alice, approvals={"tools": ["add_todo"]}))
            until_asked(alice, run_id)
        with running_api(database, model.url, max_rounds=2) as url:
            alice = person(url, alice.name)
            decide(alice, run_id, step_id="2.1")
            assert ended(alice, run_id).text == "Noted."
            steps = alice.http.get(f"/api/v1/runs/{run_id}/steps").json()["steps"]
    assert [(step["step_id"], step["status"]) for step in steps if step["name"] == "add_todo"] == [
        ("2.1", "completed")
    ]
    assert "tools" not in model.requests[-1]


def test_what_postgres_cannot_keep_is_left_out_of_an_answer(alice: Person, model: ModelServer) -> None:
    model.answers(verbatim('{"choices": [{"message": {"content": "a\\u0000b\\ud800c"}}]}'))
    data = alice.say("Hello")
    assert data["response"] == "ab?c"
    assert alice.messages(data["conversation_id"])[-1]["content"] == "ab?c"


def test_a_refusal_and_content_in_parts_are_answers(alice: Person, model: ModelServer) -> None:
    parts = [{"type": "text", "text": "In "}, {"type": "image"}, {"type": "text", "text": "parts."}]
    model.answers(saying(content=None, refusal="I will not."), saying(content=parts))
    assert alice.say("Hello")["response"] == "I will not."
    assert alice.say("Hello")["response"] == "In parts."


def test_a_provider_that_is_slow_is_given_up_on(
    api_database: str, model: ModelServer, person: MakePerson
) -> None:
    gate = Gate()
    with running_api(api_database, model.url, provider_timeout=0.3) as url:
        alice = person(url)
        conversation_id = alice.say("Hello")["conversation_id"]
        model.answers(call("add_todo", title="Milk"), gate.before(say("Too late.")))
        assert_failed(alice.post("Buy milk", conversation_id), 504, "provider_timeout")
        gate.open()
        assert_goes_on(alice, model, conversation_id)


def test_a_provider_that_is_down_is_named_and_found_again(
    api_database: str, model: ModelServer, person: MakePerson
) -> None:
    port = free_port()
    with running_api(api_database, f"http://127.0.0.1:{port}/v1") as url:
        alice = person(url)
        for _ in range(2):
            response = alice.post("Hello")
            assert_failed(response, 502, "provider_unreachable")
            assert "openai" in response.json()["message"]
        with raw_server([], port) as asked:
            assert alice.say("Hello")["response"] == "Raw."
            assert b"GET /v1/models" in asked[0]


@pytest.mark.parametrize("answer", [reset, hang_up, halve, halve_chunks, babble])
def test_a_connection_that_breaks_fails_the_turn_alone(
    api_database: str, person: MakePerson, answer: RawAnswer
) -> None:
    with (
        raw_server([answer, answer]) as asked,
        running_api(api_database, asked.url, default_model="raw") as url,
    ):
        alice = person(url)
        assert_failed(alice.post("Hello"), 502, "provider_unreachable")
        assert alice.say("Hello")["response"] == "Raw."


@pytest.mark.parametrize("answer", [reset, hang_up, halve, babble])
def test_a_connection_that_breaks_once_is_made_again(
    api_database: str, person: MakePerson, answer: RawAnswer
) -> None:
    with raw_server([answer]) as asked, running_api(api_database, asked.url, default_model="raw") as url:
        assert person(url).say("Hello")["response"] == "Raw."
        assert len(asked) == 2
