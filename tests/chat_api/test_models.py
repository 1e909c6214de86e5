"""Which models there are: what providers tell, and what is said of those that are away, slow, or lie."""

import time
from collections.abc import Generator
from contextlib import ExitStack
from typing import Any

import pytest
from starlette.responses import JSONResponse, RedirectResponse, Response

from chat_api.providers import model_routes, watch
from tests.chat_api.conftest import MakePerson
from tests.chat_api.processes import free_port
from tests.chat_api.providers import LIES, Place, configure, placed
from tests.chat_api.replica import running_api
from tests.model_server import Hold
from tests.servers import Person

MODELS = "/api/v1/models"
CONNECT = f"{MODELS}/connect"

TAGS: dict[str, Any] = {
    "models": [
        {
            "name": "neural-chat:latest",
            "model": "neural-chat:latest",
            "size": 4_108_928_574,
            "digest": "89fa737d3b85",
            "details": {"family": "llama", "parameter_size": "7B", "quantization_level": "Q4_0"},
        },
        {"name": "nomic-embed-text:latest", "model": "nomic-embed-text:latest", "size": 274_302_450},
    ]
}
SHOWN = {"model_info": {"general.architecture": "llama", "llama.context_length": 8192}}
STUDIO = {
    "data": [
        {
            "id": "qwen2.5-7b-instruct",
            "type": "llm",
            "arch": "qwen2",
            "quantization": "Q4_K_M",
            "state": "not-loaded",
            "max_context_length": 32768,
        },
        {"id": "bge-m3", "type": "embeddings", "state": "not-loaded"},
    ]
}
ROUTER = {"data": [{"id": "maker/large", "name": "Maker: Large", "context_length": 200_000}, {"id": "\0"}]}


@pytest.fixture
def places() -> Generator[dict[str, Place]]:
    """Ollama, LM Studio, and something that is compatible."""
    found = {name: Place(name) for name in ("ollama", "lmstudio", "openai")}
    found["ollama"].shows = {
        "/api/tags": lambda _: JSONResponse(TAGS),
        "/api/show": lambda _: JSONResponse(SHOWN),
    }
    found["lmstudio"].shows = {"/api/v0/models": lambda _: JSONResponse(STUDIO)}
    found["openai"].shows = {"/v1/models": lambda _: JSONResponse(ROUTER)}
    with ExitStack() as stack:
        for place in found.values():
            stack.enter_context(placed(place))
        yield found


def settings_of(places: dict[str, Place], **ports: int) -> dict[str, Any]:
    return {
        "default_provider": None,
        "ollama_endpoint": places["ollama"].url,
        "lmstudio_endpoint": places["lmstudio"].url,
        "openai_base_url": f"{places['openai'].url}/v1",
        "openai_api_key": "the operator's key",
    }


def expected(provider: str, **members: Any) -> dict[str, Any]:
    unknown = dict.fromkeys(("size", "size_bytes", "quantization", "family", "context_tokens"))
    return unknown | {"provider": provider, "available": True, "stale": False} | members


def test_all_that_providers_tell_is_listed(
    api_database: str, person: MakePerson, places: dict[str, Place]
) -> None:
    with running_api(api_database, None, **settings_of(places)) as api:
        alice = person(api)
        found = alice.http.get(MODELS).json()
        assert alice.http.get(f"{MODELS}?provider=lmstudio").json()["total"] == 1
        assert alice.http.get("/api/models?provider=nobody").json() == {"models": [], "total": 0}
        status = alice.http.get("/api/models/ollama/status").json()
    assert found["total"] == 3
    assert found["models"] == [
        expected(
            "ollama",
            model_id="neural-chat:latest",
            name="Neural Chat 7B",
            size="4.1GB",
            size_bytes=4_108_928_574,
            quantization="Q4_0",
            family="llama",
            context_tokens=8192,
        ),
        expected(
            "lmstudio",
            model_id="qwen2.5-7b-instruct",
            name="Qwen2.5 7b Instruct",
            quantization="Q4_K_M",
            family="qwen2",
            context_tokens=32768,
        ),
        expected("openai", model_id="maker/large", name="Maker: Large", context_tokens=200_000),
    ]
    assert status == {
        "provider": "ollama",
        "available": True,
        "latency_ms": status["latency_ms"],
        "endpoint": places["ollama"].url,
        "model_count": 1,
        "last_check": status["last_check"],
    }
    # What Ollama has shown of a model stays, as long as its digest does.
    assert places["ollama"].asked.count("/api/show") == 1
    assert places["openai"].keys == {"Bearer the operator's key"}
    assert places["ollama"].keys == {None}


def test_models_of_a_provider_that_flaps_are_stale_while_it_is_away(
    api_database: str, person: MakePerson, places: dict[str, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    settings = settings_of(places) | {"ollama_endpoint": f"http://127.0.0.1:{port}"}
    monkeypatch.setattr(model_routes, "_LIST_AGE", 0.0)
    monkeypatch.setattr(model_routes, "_STATUS_AGE", 0.0)
    with running_api(api_database, None, **settings) as api:
        alice = person(api)

        def seen() -> tuple[list[tuple[bool, bool]], bool, str | None]:
            listed = alice.http.get(f"{MODELS}?provider=ollama").json()["models"]
            status = alice.http.get(f"{MODELS}/ollama/status").json()
            told = [(model["available"], model["stale"]) for model in listed]
            return told, status["available"], status.get("error")

        assert seen() == ([], False, "Connection refused")
        for _ in range(2):
            with placed(Place("ollama"), port) as ollama:
                ollama.shows = {"/api/tags": lambda _: JSONResponse(TAGS)}
                assert seen() == ([(True, False)], True, None)
            assert seen() == ([(False, True)], False, "Connection refused")
        assert alice.http.get(MODELS).json()["total"] == 3


def test_what_ollama_could_not_show_is_asked_for_again(
    api_database: str, person: MakePerson, places: dict[str, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_routes, "_LIST_AGE", 0.0)
    shown = iter([Response("busy", 503), JSONResponse(SHOWN)])
    places["ollama"].shows["/api/show"] = lambda _: next(shown)
    with running_api(api_database, None, **settings_of(places)) as api:
        alice = person(api)
        found = [alice.http.get(f"{MODELS}?provider=ollama").json()["models"] for _ in range(3)]
    assert [model["context_tokens"] for [model] in found] == [None, 8192, 8192]


def test_a_list_is_kept_for_a_while(api_database: str, person: MakePerson, places: dict[str, Place]) -> None:
    with running_api(api_database, None, **settings_of(places)) as api:
        alice = person(api)
        for _ in range(3):
            assert alice.http.get(MODELS).json()["total"] == 3
    assert places["lmstudio"].asked == ["/api/v0/models"]


def test_the_answer_comes_within_three_seconds_whatever_providers_do(
    api_database: str, person: MakePerson, places: dict[str, Place]
) -> None:
    places["ollama"].everything = places["ollama"].hang
    places["lmstudio"].everything = places["lmstudio"].hang
    with running_api(api_database, None, **settings_of(places)) as api:
        alice = person(api)
        began = time.monotonic()
        found = alice.http.get(MODELS).json()
        status = alice.http.get(f"{MODELS}/ollama/status").json()
        assert time.monotonic() - began < 3
    assert [model["provider"] for model in found["models"]] == ["openai"]
    assert (status["available"], status["error"]) == (False, "Connection timeout")


@pytest.mark.parametrize("error", [*LIES, "Connection timeout"])
def test_what_is_wrong_is_said_plainly(
    person: MakePerson, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "CHECK_SECONDS", 0.5)
    admin = person(roles=["admin"])
    with placed(Place()) as place:
        place.everything = LIES.get(error, place.hang)
        for kind in ("ollama", "lmstudio", "openai"):
            body = {"provider": kind, "endpoint": place.url, "api_key": "canary-key"}
            found = admin.http.post(CONNECT, json=body)
            told = {
                "connected": False,
                "provider": kind,
                "endpoint": place.url,
                "error": error.removesuffix(" (packed)"),
            }
            assert (found.status_code, found.json()) == (200, told)


def test_the_same_server_is_connected_where_it_does_not_lie(person: MakePerson) -> None:
    admin = person(roles=["admin"])
    with placed(Place()) as place:
        for kind in ("ollama", "lmstudio", "openai"):
            body = {"provider": kind, "endpoint": place.url, "api_key": "canary-key"}
            found = admin.http.post(CONNECT, json=body).json()
            assert found["connected"], found
            assert found["models"] == [{"model_id": "place-model", "name": "place-model"}]
            assert set(found) == {"connected", "provider", "endpoint", "latency_ms", "models"}
    assert place.keys == {"Bearer canary-key"}


def test_a_redirect_takes_no_key_elsewhere(person: MakePerson) -> None:
    admin = person(roles=["admin"])
    with placed(Place()) as place, placed(Place("other")) as other:
        place.everything = lambda request: RedirectResponse(f"{other.url}{request.url.path}", 307)
        body = {"provider": "openai", "endpoint": place.url, "api_key": "canary-key"}
        assert not admin.http.post(CONNECT, json=body).json()["connected"]
        assert other.asked == []
        assert admin.http.post(CONNECT, json=body | {"endpoint": other.url}).json()["connected"]
        assert other.asked


def test_a_provider_that_is_not_there_for_one_is_not_found(alice: Person, person: MakePerson) -> None:
    bob = person()
    configure(bob, "bobs", "https://models.example.com/v1")
    for name in ("nobody", "bobs"):
        found = alice.http.get(f"{MODELS}/{name}/status")
        assert (found.status_code, found.json()["error"]["code"]) == (404, "provider_not_found")


def test_providers_are_looked_after_in_the_background(
    api_database: str, person: MakePerson, places: dict[str, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_routes, "_STATUS_AGE", 60.0)
    looked = Hold()
    places["ollama"].shows = {"/api/tags": lambda _: looked_at(looked)}
    settings = settings_of(places) | {"provider_check_every": 0.1}
    with running_api(api_database, None, **settings) as api:
        looked.wait()
        looked.open()
        alice = person(api)
        status = alice.http.get(f"{MODELS}/lmstudio/status").json()
        assert (status["available"], status["model_count"]) == (True, 1)
        assert places["lmstudio"].asked


async def looked_at(looked: Hold) -> Response:
    await looked()
    return JSONResponse(TAGS)
