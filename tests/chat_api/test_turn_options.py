"""Turns that choose who answers them, and how; and servers that do not take all of that."""

from collections.abc import Generator
from typing import Any
from uuid import uuid4

import pytest
from starlette.responses import JSONResponse, Response

from tests.chat_api.conftest import MakePerson
from tests.chat_api.providers import Place, ask, configure, placed
from tests.chat_api.replica import running_api
from tests.model_server import ModelServer, say
from tests.servers import Person


@pytest.fixture
def admin(person: MakePerson) -> Person:
    return person(roles=["admin"])


@pytest.fixture
def first() -> Generator[Place]:
    with placed(Place("first")) as place:
        yield place


def test_a_turn_chooses_its_own_provider_and_model_for_once(
    admin: Person, first: Place, model: ModelServer
) -> None:
    configure(admin, "first", first.url, model="one")
    agent = {"name": "Mine", "system_prompt": "Be brief.", "provider": "openai", "temperature": 1.5}
    turn = {"agent_id": admin.http.post("/api/v1/agents", json=agent).json()["agent_id"]}
    turn["conversation_id"] = ask(admin, **turn, provider=None)["conversation_id"]
    assert model.requests[-1]["temperature"] == 1.5
    data = ask(admin, **turn, provider="first", temperature=0.0, max_tokens=500)
    assert (data["provider"], data["model"]) == ("first", "one")
    assert (first.chats[-1]["temperature"], first.chats[-1]["max_tokens"]) == (0.0, 500)
    assert ask(admin, **turn, provider="first", model_id="two")["model"] == "two"
    assert ask(admin, **turn, provider=None)["provider"] == "openai"
    bodies = ({"message": "Hello", "temperature": value} for value in (0.1, 0.1, 0.2))
    path, headers = f"/api/{admin.name}/chat", {"Idempotency-Key": uuid4().hex}
    answers = [admin.http.post(path, json=body, headers=headers) for body in bodies]
    assert [answer.status_code for answer in answers] == [200, 200, 409]


def test_a_model_that_somebody_lists_is_asked_of_them(
    api_database: str, person: MakePerson, first: Place
) -> None:
    settings = {"default_provider": None, "ollama_endpoint": first.url, "openai_base_url": None}
    with (
        placed(Place("second")) as second,
        running_api(api_database, None, **settings, lmstudio_endpoint=second.url) as api,
    ):
        alice = person(api)
        assert ask(alice, provider=None, model_id="second-model")["provider"] == "lmstudio"
        assert ask(alice, provider=None)["provider"] == "ollama"


def test_what_a_server_refuses_is_not_sent_to_it_again(admin: Person, first: Place) -> None:
    configure(admin, "first", first.url, model="picky")

    def picky(chat: dict[str, Any]) -> Response:
        for name, words in (
            ("max_tokens", "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
            ("temperature", "'temperature' does not support 0.2 with this model."),
        ):
            if name in chat:
                return JSONResponse({"error": {"message": words}}, 400)
        return say("Fine.")

    first.script = picky
    for _ in range(2):
        data = ask(admin, provider="first", temperature=0.2, max_tokens=300)
        assert (data["response"], data["fallbacks"]) == ("Fine.", [])
    assert len(first.chats) == 4
    assert [chat.get("max_completion_tokens") for chat in first.chats] == [None, 300, 300, 300]


def test_what_a_server_refused_to_one_is_sent_to_it_for_others(admin: Person, first: Place) -> None:
    configure(admin, "first", first.url, model="picky")

    def picky(chat: dict[str, Any]) -> Response:
        if chat.get("max_tokens", 0) > 300:
            return JSONResponse({"error": {"message": "max_tokens must be 300 at most."}}, 400)
        if chat["messages"][-1]["content"] == "Bad":
            return JSONResponse({"error": {"message": "Unknown: temperature, max_tokens."}}, 400)
        return say("Fine.")

    first.script = picky
    assert ask(admin, max_tokens=400)["provider"] == "first"
    assert ask(admin, message="Bad", temperature=0.2, max_tokens=200)["provider"] != "first"
    assert ask(admin, temperature=0.2, max_tokens=200)["provider"] == "first"
    assert first.chats[-1].items() >= {"temperature": 0.2, "max_tokens": 200}.items()
