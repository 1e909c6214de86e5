"""Which provider answers where none is named."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.chat_api.conftest import MakePerson
from tests.chat_api.processes import free_port
from tests.chat_api.replica import running_api
from tests.model_server import ModelServer, call, say, serve

PLACES = ("ollama", "lmstudio", "openai")


class Place(ModelServer):
    """A scripted provider that says its name, and lists `listed`."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.listed: Response = JSONResponse({"data": [{"id": "nomic-embed-text"}, {"id": f"{name}-model"}]})
        self.script = lambda _: say(name)

    async def models(self, _: Request) -> Response:
        return self.listed


@contextmanager
def running(place: Place, port: int = 0) -> Generator[str]:
    routes = [
        Route("/v1/chat/completions", place.chat, methods=["POST"]),
        Route("/v1/models", place.models),
    ]
    with serve(Starlette(routes=routes), port) as url:
        yield url


def endpoints(**urls: str) -> dict[str, Any]:
    """Settings for a machine where only the providers of `urls` answer."""
    closed = f"http://127.0.0.1:{free_port()}"
    return {
        "default_provider": None,
        "ollama_endpoint": urls.get("ollama", closed),
        "lmstudio_endpoint": urls.get("lmstudio", closed),
        "openai_base_url": f"{urls['openai']}/v1" if "openai" in urls else None,
    }


@pytest.mark.parametrize("up", [PLACES, PLACES[1:], PLACES[2:], PLACES[:1]])
def test_the_first_that_answers_is_asked(api_database: str, person: MakePerson, up: tuple[str, ...]) -> None:
    places = {name: Place(name) for name in up}
    with ExitStack() as stack:
        urls = {name: stack.enter_context(running(place)) for name, place in places.items()}
        api = stack.enter_context(running_api(api_database, None, **endpoints(**urls)))
        assert person(api).say("Who is there?")["response"] == up[0]
    assert [len(place.requests) for place in places.values()] == [1] + [0] * (len(up) - 1)
    assert places[up[0]].requests[0]["model"] == f"{up[0]}-model"


@pytest.mark.parametrize(
    "listed",
    [
        Response("no", 500),
        Response("<p>no</p>", media_type="text/html"),
        JSONResponse({}),
        JSONResponse({"data": None}),
        JSONResponse({"data": [17]}),
        JSONResponse({"data": [{"id": "nomic-embed-text"}]}),
    ],
    ids=lambda listed: bytes(listed.body).decode() or "nothing",
)
def test_one_that_offers_no_chat_model_is_passed_over(
    api_database: str, person: MakePerson, listed: Response
) -> None:
    first, second = Place("ollama"), Place("lmstudio")
    first.listed = listed
    with (
        running(first) as ollama,
        running(second) as lmstudio,
        running_api(api_database, None, **endpoints(ollama=ollama, lmstudio=lmstudio)) as api,
    ):
        assert person(api).say("Who is there?")["response"] == "lmstudio"


def test_a_named_provider_is_the_only_one_asked(api_database: str, person: MakePerson) -> None:
    first, named = Place("ollama"), Place("lmstudio")
    with running(first) as ollama, running(named) as lmstudio:
        settings = endpoints(ollama=ollama, lmstudio=lmstudio) | {"default_provider": "lmstudio"}
        with running_api(api_database, None, **settings) as api:
            assert person(api).say("Who is there?")["response"] == "lmstudio"
        with running_api(api_database, None, **settings, default_model="special") as api:
            person(api).say("Who is there?")
    assert named.requests[-1]["model"] == "special"
    assert first.requests == []


def test_without_fallback_the_turn_after_that_of_the_dead_one_finds_another(
    api_database: str, person: MakePerson
) -> None:
    dying, other = Place("ollama"), Place("lmstudio")
    port = free_port()
    with running(other) as lmstudio:
        settings = endpoints(ollama=f"http://127.0.0.1:{port}", lmstudio=lmstudio)
        with running_api(api_database, None, provider_fallback=False, **settings) as api:
            alice = person(api)
            with running(dying, port):
                conversation_id = alice.say("Who is there?")["conversation_id"]
            assert alice.post("And now?", conversation_id).json()["error"]["code"] == "provider_unreachable"
            assert alice.say("And now?", conversation_id)["response"] == "lmstudio"
    assert len(dying.requests) == 1


def test_without_any_provider_the_answer_says_what_to_do(api_database: str, person: MakePerson) -> None:
    late = Place("ollama")
    port = free_port()
    settings = endpoints(ollama=f"http://127.0.0.1:{port}")
    with running_api(api_database, None, **settings) as api:
        alice = person(api)
        response = alice.post("Is anybody there?")
        assert (response.status_code, response.json()["error"]["code"]) == (503, "no_provider")
        message = response.json()["message"]
        assert "OPENAI_BASE_URL" in message
        assert (message.count(". "), message[-1]) == (0, ".")
        assert int(response.headers["Retry-After"]) > 0
        with running(late, port):
            late.script = lambda _: call("list_todos") if len(late.requests) == 1 else say("ollama")
            assert alice.say("Is anybody there?")["response"] == "ollama"
