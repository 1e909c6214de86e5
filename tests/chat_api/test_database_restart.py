"""Postgres goes away and comes back, under a running API."""

from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from tests.chat_api.conftest import MakePerson
from tests.chat_api.replica import Gate, in_thread, running_api
from tests.kit.postgres_server import Server, own_server
from tests.model_server import ModelServer, call, say
from tests.servers import Person


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    with own_server(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture
def alice(postgres: Server, model: ModelServer, person: MakePerson, tmp_path: Path) -> Generator[Person]:
    with running_api(postgres.url, model.url, data_dir=tmp_path) as url:
        yield person(url)


def assert_unavailable(response: httpx2.Response) -> None:
    assert response.status_code == 503, response.text
    assert response.json()["error"]["code"] == "database_unavailable"
    assert response.json()["error"]["request_id"] == response.headers["X-Request-ID"]
    assert int(response.headers["Retry-After"]) > 0
    assert "/" not in response.json()["message"]


def test_the_next_turn_after_a_restart_works(alice: Person, model: ModelServer, postgres: Server) -> None:
    model.answers(call("add_todo", title="Milk"), say("Noted."))
    conversation_id = alice.say("Buy milk")["conversation_id"]
    postgres.restart()
    model.answers(call("list_todos"), say("Milk."))
    data = alice.say("What is there to do?", conversation_id)
    assert [todo["title"] for todo in data["tool_calls"][0]["result"]["todos"]] == ["Milk"]
    assert len(alice.messages(conversation_id)) == 4


def test_a_pool_full_of_dead_connections_is_replaced(
    alice: Person, model: ModelServer, postgres: Server
) -> None:
    """As many turns at once as the pool is large, before and after."""
    conversations = at_once(alice, [None] * 10)
    postgres.restart()
    assert at_once(alice, conversations) == conversations


def at_once(alice: Person, conversations: Sequence[str | None]) -> list[str]:
    def turn(conversation_id: str | None) -> str:
        return alice.say("Hello", conversation_id)["conversation_id"]

    with ThreadPoolExecutor(len(conversations)) as pool:
        return list(pool.map(turn, conversations))


def test_without_a_database_the_answer_says_so_until_it_is_back(
    alice: Person, model: ModelServer, postgres: Server
) -> None:
    conversation_id = alice.say("Hello")["conversation_id"]
    model.requests.clear()
    postgres.stop()
    try:
        for _ in range(2):
            assert_unavailable(alice.post("Are you there?", conversation_id))
        assert_unavailable(alice.http.get(f"/api/v1/conversations/{conversation_id}/messages"))
        assert_unavailable(alice.http.get("/api/v1/health/ready"))
        assert alice.http.get("/api/v1/health/live").status_code == 200
    finally:
        postgres.start()
    assert model.requests == []
    assert alice.http.get("/api/v1/health/ready").status_code == 200
    assert alice.say("Are you there?", conversation_id)["response"] == "Hello."


def test_a_restart_while_the_model_thinks_loses_nothing(
    alice: Person, model: ModelServer, postgres: Server
) -> None:
    gate = Gate()
    model.answers(call("add_todo", title="Milk"), gate.before(say("Noted.")))
    with in_thread(lambda: alice.say("Buy milk")) as turn:
        gate.wait()
        postgres.restart()
        gate.open()
    data = turn.result()
    assert data["response"] == "Noted."
    assert [message["content"] for message in alice.messages(data["conversation_id"])] == [
        "Buy milk",
        "Noted.",
    ]


def test_a_tool_is_not_called_before_its_step_is_kept(
    alice: Person, model: ModelServer, postgres: Server
) -> None:
    gate = Gate()
    model.answers(gate.before(call("add_todo", title="Milk")), say("Noted."))
    with in_thread(lambda: alice.say("Buy milk")) as turn:
        gate.wait()
        postgres.stop()
        gate.open()
        postgres.start()
    data = turn.result()
    assert [made["result"]["title"] for made in data["tool_calls"]] == ["Milk"]
    assert data["response"] == "Noted."
