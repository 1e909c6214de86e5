"""The next provider is asked where one fails before it has said anything; what is told and kept of it."""

import time
from collections.abc import Generator
from typing import Any
from uuid import uuid4

import pytest
from starlette.responses import HTMLResponse, Response

from chat_api.providers import watch
from tests.chat_api.conftest import MakePerson
from tests.chat_api.processes import free_port
from tests.chat_api.providers import Place, Show, ask, configure, placed
from tests.chat_api.replica import Gate, execute, expire_leases, fresh_database, in_thread, running_api
from tests.chat_api.streams import NDJSON, SSE, chat_stream, hear
from tests.model_server import Chat, ModelServer, Reply, call, chunk, say, sse, stream
from tests.servers import Person

FAILURES: dict[str, Show | None] = {
    "provider_unreachable": None,
    "provider_failed": lambda _: Response("no", 500),
    "provider_failed 401": lambda _: Response("no", 401),
    "provider_failed html": lambda _: HTMLResponse("<p>Hi"),
    "provider_failed 404": lambda _: Response("no", 404),
}


@pytest.fixture
def admin(person: MakePerson) -> Person:
    return person(roles=["admin"])


@pytest.fixture
def first() -> Generator[Place]:
    with placed(Place("first")) as place:
        yield place


@pytest.fixture
def second() -> Generator[Place]:
    with placed(Place("second")) as place:
        yield place


@pytest.fixture
def both(admin: Person, first: Place, second: Place) -> tuple[Place, Place]:
    """Two providers of the admin's, the first with the smaller patience and the better priority."""
    patience = {"first_token_seconds": 0.5, "retries": 0, "model": "one"}
    configure(admin, "first", first.url, priority=1, **patience)
    configure(admin, "second", second.url, priority=2)
    return first, second


def run_of(person: Person, run_id: str) -> Any:
    return person.http.get(f"/api/v1/runs/{run_id}").json()


def steps_of(person: Person, run_id: str) -> list[tuple[str, str, str]]:
    steps = person.http.get(f"/api/v1/runs/{run_id}/steps").json()["steps"]
    return [(step["step_id"], step["name"], step["status"]) for step in steps]


@pytest.mark.parametrize("failure", [*FAILURES, "provider_timeout"])
def test_the_next_one_answers_within_three_seconds_and_everybody_is_told(
    admin: Person, both: tuple[Place, Place], failure: str
) -> None:
    first, _ = both
    first.everything = FAILURES.get(failure, first.hang)
    if failure == "provider_unreachable":
        admin.http.patch(_path(admin, "first"), json={"base_url": f"http://127.0.0.1:{free_port()}/v1"})
    began = time.monotonic()
    data = ask(admin)
    assert time.monotonic() - began < 3
    assert (data["response"], data["provider"], data["model"]) == ("I am second.", "second", "second-model")
    told = {"provider": "first", "model": "one", "code": failure.partition(" ")[0]}
    assert [each.items() >= told.items() for each in data["fallbacks"]] == [True]
    run = run_of(admin, data["run_id"])
    assert (run["provider"], run["model"], run["fallbacks"]) == ("second", "second-model", data["fallbacks"])
    assert steps_of(admin, data["run_id"]) == [("1", "one", "failed"), ("2", "second-model", "completed")]
    reason = data["fallbacks"][0]["message"]
    ends = {
        "from": {"provider": "first", "model": "one"},
        "to": {"provider": "second", "model": "second-model"},
        "code": told["code"],
        "reason": reason,
    }
    for accept in (SSE, NDJSON):
        path = f"/api/v1/runs/{data['run_id']}/events"
        with admin.http.stream("GET", path, headers={"Accept": accept}) as response:
            frames = [frame for frame in hear(response).frames if frame["type"] == "fallback"]
        assert [frame.items() >= ends.items() for frame in frames] == [True]
    events = admin.http.get(f"/api/v1/runs/{data['run_id']}/events").json()["events"]
    assert [event.items() >= ends.items() for event in events if event["type"] == "provider.fallback"] == [
        True
    ]
    # For a moment it is not asked again; what the request alone may have been wrong with is no reason.
    asked = len(first.asked)
    again = ask(admin)
    assert again["provider"] == "second"
    assert (len(first.asked) == asked) == (failure != "provider_failed 404")


def _path(person: Person, name: str) -> str:
    listed = person.http.get("/api/v1/providers").json()["providers"]
    return next(f"/api/v1/providers/{each['id']}" for each in listed if each["name"] == name)


def test_where_nothing_is_named_ones_own_come_first_by_priority_then_what_is_shared(
    first: Place, second: Place, postgres_url: str, template: str
) -> None:
    with (
        fresh_database(postgres_url, template) as database,
        placed(Place("third")) as third,
        placed(Place("fourth")) as fourth,
    ):
        settings = {"ollama_endpoint": fourth.url, "lmstudio_endpoint": fourth.url, "openai_base_url": None}
        with running_api(database, None, default_provider=None, **settings) as api:
            alice, admin = Person(api, "alice", roles=["admin"]), Person(api, "root", roles=["admin"])
            with alice.http, admin.http:
                configure(admin, "third", third.url, shared=True, retries=0)
                configure(alice, "second", second.url, priority=2, retries=0)
                configure(alice, "first", first.url, priority=1, retries=0)
                answered: list[str] = []
                for place in (first, second, third, fourth):
                    answered.append(ask(alice, provider=None)["provider"])
                    place.everything = lambda _: Response("no", 500)
                assert answered == ["first", "second", "third", "ollama"]
                error = alice.http.post("/api/alice/chat", json={"message": "Hello"}).json()["error"]
                assert error["code"] == "provider_failed"
                # What turns have met with is what the list of models says.
                status = alice.http.get("/api/v1/models/first/status").json()
                assert not status["available"]


def test_a_list_that_could_not_be_had_is_asked_for_again(
    admin: Person, first: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_COOLING", "_TROUBLE_LIFETIME"):
        monkeypatch.setattr(watch, name, 0.0)
    configure(admin, "first", first.url)
    first.shows, shows = {}, first.shows
    assert ask(admin)["provider"] == "openai"
    first.shows = shows
    assert ask(admin)["provider"] == "first"


@pytest.mark.parametrize("reply", [chunk({}, "length"), chunk({"content": "a" * 5 * 1024 * 1024})])
def test_what_the_request_was_wrong_with_is_held_against_no_provider(
    admin: Person, both: tuple[Place, Place], reply: bytes
) -> None:
    first, second = both
    script = first.script
    first.script = lambda _: sse(reply, b"data: [DONE]\n\n")
    response = admin.http.post(f"/api/{admin.name}/chat", json={"message": "Hello", "provider": "first"})
    if b"length" in reply:
        assert (response.status_code, response.json()["error"]["code"]) == (502, "provider_failed")
        assert response.json()["message"] == "The model reached max_tokens before it said anything."
        assert second.chats == []
    first.script = script
    assert ask(admin)["provider"] == "first"


def test_the_first_one_answers_where_it_can(admin: Person, both: tuple[Place, Place]) -> None:
    data = ask(admin)
    assert (data["response"], data["provider"], data["fallbacks"]) == ("I am first.", "first", [])
    assert both[1].asked == []


def test_nobody_takes_over_after_the_first_word(admin: Person, both: tuple[Place, Place]) -> None:
    first, second = both
    first.script = lambda _: stream("Half", then="break")
    with chat_stream(admin, "Hello", provider="first") as response:
        heard = hear(response)
    assert (heard.text, heard.frames[-1]["type"]) == ("Half", "error")
    assert second.chats == []
    run = admin.http.get("/api/v1/runs").json()["runs"][0]
    assert (run["status"], run["provider"], run["fallbacks"]) == ("failed", "first", [])


def test_a_call_after_a_round_of_tools_goes_to_the_next_one(
    admin: Person, both: tuple[Place, Place], api_database: str
) -> None:
    first, second = both
    title = uuid4().hex
    replies = iter([call("add_todo", title=title), sse(b"data: nonsense\n\n")])
    first.script = lambda _: next(replies)
    data = ask(admin)
    assert (data["response"], data["provider"]) == ("I am second.", "second")
    assert [(each["tool"], each["error"]) for each in data["tool_calls"]] == [("add_todo", None)]
    assert title in str(second.chats[0]["messages"][-1])
    assert execute(api_database, "SELECT count(*) FROM todos WHERE title = %s", title) == [(1,)]
    assert [step[0] for step in steps_of(admin, data["run_id"])] == ["1", "1.1", "2", "3"]


def test_a_turn_that_is_taken_over_goes_on_where_it_had_come_to(
    admin: Person, both: tuple[Place, Place], api_database: str
) -> None:
    first, second = both
    title, gate = uuid4().hex, Gate()
    first.everything = lambda _: Response("no", 401)
    held = gate.before(say("Never."))

    def script(chat: Chat) -> Reply:
        made: list[Reply] = [call("add_todo", title=title), say("All of it.")]
        return held(chat) if len(second.chats) == 2 else made[len(second.chats) // 3]

    second.script = script
    with in_thread(lambda: ask(admin, temperature=0.3)) as turn:
        gate.wait()
        asked = len(first.asked)
        expire_leases(api_database)
        data = turn.result()
    gate.open()
    assert (data["response"], data["provider"]) == ("All of it.", "second")
    assert [each["provider"] for each in data["fallbacks"]] == ["first"]
    assert len(first.asked) == asked
    assert len(second.chats) == 3
    assert {chat["temperature"] for chat in second.chats} == {0.3}
    assert execute(api_database, "SELECT count(*) FROM todos WHERE title = %s", title) == [(1,)]
    assert steps_of(admin, data["run_id"]) == [
        ("1", "one", "failed"),
        ("2", "second-model", "completed"),
        ("2.1", "add_todo", "completed"),
        ("3", "second-model", "completed"),
    ]
    events = admin.http.get(f"/api/v1/runs/{data['run_id']}/events").json()["events"]
    assert [event["type"] for event in events].count("provider.fallback") == 1


def test_where_nobody_else_can_the_error_is_that_of_the_first(
    api_database: str, person: MakePerson, first: Place, second: Place
) -> None:
    first.everything = lambda _: Response("no", 401)
    second.everything = lambda _: HTMLResponse("<p>Hi")
    settings = {"default_provider": "openai", "openai_base_url": f"{second.url}/v1", "default_model": "two"}
    with running_api(api_database, None, **settings) as api:
        admin = person(api, roles=["admin"])
        configure(admin, "first", first.url, model="one")
        body = {"message": "Hello", "provider": "first"}
        error = admin.http.post(f"/api/{admin.name}/chat", json=body).json()
        run = run_of(admin, error["error"]["details"]["run_id"])
    assert "API key" in error["message"]
    assert run["provider"] == "first"
    assert [(each["provider"], each["code"]) for each in run["fallbacks"]] == [
        ("first", "provider_failed"),
        ("openai", "provider_failed"),
    ]


def test_without_fallback_the_turn_fails_with_the_first_one(
    api_database: str, person: MakePerson, first: Place, model: ModelServer
) -> None:
    first.everything = lambda _: Response("no", 401)
    with running_api(api_database, model.url, provider_fallback=False) as api:
        admin = person(api, roles=["admin"])
        configure(admin, "first", first.url, model="one")
        for provider, code in (("first", "provider_failed"), ("gone", "no_provider")):
            body = {"message": "Hello", "provider": provider}
            response = admin.http.post(f"/api/{admin.name}/chat", json=body)
            assert response.json()["error"]["code"] == code
        assert provider in response.json()["message"]
    assert model.requests == []


def test_an_agent_whose_provider_was_struck_off_is_answered_by_another(
    admin: Person, first: Place, model: ModelServer
) -> None:
    provider_id = configure(admin, "first", first.url)
    agent = {"name": "Mine", "system_prompt": "Be brief.", "provider": "first", "model_id": "large"}
    body = {"agent_id": admin.http.post("/api/v1/agents", json=agent).json()["agent_id"]}
    assert ask(admin, **body, provider=None)["response"] == "I am first."
    assert first.chats[0]["model"] == "large"
    assert admin.http.delete(f"/api/v1/providers/{provider_id}").status_code == 200
    data = ask(admin, **body, provider=None)
    assert (data["response"], data["provider"]) == ("Hello.", "openai")
    assert data["fallbacks"] == [
        {
            "provider": "first",
            "model": "large",
            "code": "no_provider",
            "message": data["fallbacks"][0]["message"],
        }
    ]
    assert model.requests[-1]["model"] == "scripted"


def test_one_that_takes_less_is_sent_less(admin: Person, both: tuple[Place, Place]) -> None:
    first, second = both
    admin.http.patch(_path(admin, "second"), json={"context_tokens": 1_000})
    conversation = ask(admin, message="Long ago. " * 600)["conversation_id"]
    first.everything = lambda _: Response("no", 500)
    assert ask(admin, conversation_id=conversation)["provider"] == "second"
    assert "Long ago" in str(first.chats[-1]["messages"])
    assert "Long ago" not in str(second.chats[-1]["messages"])
