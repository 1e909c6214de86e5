"""Large bodies: nobody has them parsed who is not signed in, and nobody too many."""

from collections.abc import Generator, Iterator

import httpx2
import pytest

from tests.chat_api.accounts import AUTH, code_of
from tests.chat_api.conftest import MakePerson
from tests.chat_api.replica import fresh_database, running_api
from tests.model_server import ModelServer

# What is parsed is found to be no JSON.
LARGE = b"x" * 20_000
JSON = {"Content-Type": "application/json"}
AGENTS = "/api/v1/agents"


@pytest.fixture(scope="module")
def limited(postgres_url: str, template: str, shared_model: ModelServer) -> Generator[str]:
    limits = {"rate_limit_enabled": True, "rate_limit_create": "20/hour"}
    with (
        fresh_database(postgres_url, template) as database,
        running_api(database, shared_model.url, **limits) as url,
    ):
        yield url


def in_pieces(body: bytes) -> Iterator[bytes]:
    yield body[:1000]
    yield body[1000:]


@pytest.mark.parametrize("path", [AGENTS, "/api/v1/conversations/import", "/api/ann/chat"])
@pytest.mark.parametrize("token", [None, "forged", "tl_" + "x" * 43])
def test_a_large_body_is_not_parsed_of_who_is_not_signed_in(api: str, path: str, token: str | None) -> None:
    headers = JSON if token is None else JSON | {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=api, headers=headers, trust_env=False) as http:
        assert http.post(path, content=LARGE).status_code == 401
        assert http.post(path, content=in_pieces(LARGE)).status_code == 401
        # So large that it is not even taken.
        assert http.post(path, content=LARGE * 60).status_code in {401, 413}


def test_a_large_body_is_parsed_of_who_is(api: str, person: MakePerson) -> None:
    ann = person(api)
    for content in (LARGE, in_pieces(LARGE)):
        refused = ann.http.post(AGENTS, content=content, headers=JSON)
        assert code_of(refused) == (400, "invalid_json")
    prompt = {"name": "Long", "system_prompt": "x" * 20_000}
    assert ann.http.post(AGENTS, json=prompt).status_code == 201


def test_nothing_large_is_read_about_logins(api: str, person: MakePerson) -> None:
    ann = person(api)
    for content in (LARGE, in_pieces(LARGE)):
        refused = ann.http.post(f"{AUTH}/login", content=content, headers=JSON)
        assert code_of(refused) == (413, "too_large")


def test_so_many_large_bodies_are_read(limited: str, person: MakePerson) -> None:
    ann = person(limited)
    found = [ann.http.post("/api/nobody", content=LARGE, headers=JSON).status_code for _ in range(21)]
    assert found == [404] * 20 + [429]
    with httpx2.Client(base_url=limited, headers=JSON, trust_env=False) as http:
        assert [http.post(AGENTS, content=LARGE).status_code for _ in range(3)] == [401, 401, 429]
