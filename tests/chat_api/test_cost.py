"""What turns cost: at the list price of the day, nothing for models of one's own, null where unknown."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse

from tests.chat_api.conftest import MakePerson
from tests.chat_api.replica import execute, running_api
from tests.model_server import Hold, ModelServer, call, chunk, say, sse, stream
from tests.servers import Person


@pytest.fixture(scope="module")
def priced(
    api_database: str, shared_model: ModelServer, tmp_path_factory: pytest.TempPathFactory
) -> Generator[str]:
    """A replica that takes the scripted model for one whose price is published."""
    folder: Path = tmp_path_factory.mktemp("priced")
    with running_api(api_database, shared_model.url, data_dir=folder, default_model="gpt-4o-mini") as url:
        yield url


def run_of(person: Person, run_id: str) -> dict[str, Any]:
    return person.http.get(f"/api/v1/runs/{run_id}").json()


def test_a_turn_costs_the_list_price_of_its_tokens(
    priced: str, person: MakePerson, model: ModelServer
) -> None:
    alice = person(priced)
    model.answers(call("add_todo", title="Milk"), say("Noted."))
    run = run_of(alice, alice.say("Buy milk")["run_id"])
    # Two calls of 10 and 5 tokens, at 0.15 and 0.60 dollars a million.
    assert run["cost_usd"] == "0.000009"
    assert run["usage"]["cached_tokens"] == 0


def test_tokens_that_the_provider_had_cached_cost_less(
    priced: str, person: MakePerson, model: ModelServer
) -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 0, "prompt_tokens_details": {"cached_tokens": 400}}
    alice = person(priced)
    model.answers(sse(chunk({"content": "Yes."}, "stop"), chunk(None, usage=usage), b"data: [DONE]\n\n"))
    run = run_of(alice, alice.say("Well?")["run_id"])
    assert run["usage"]["cached_tokens"] == 400
    assert run["cost_usd"] == "0.00012"
    [step] = alice.http.get(f"/api/v1/runs/{run['id']}/steps").json()["steps"]
    assert step["cached_tokens"] == 400


def test_what_was_paid_stays_when_prices_change(
    priced: str, api_database: str, person: MakePerson, model: ModelServer
) -> None:
    alice = person(priced)
    run_id = alice.say("Hello")["run_id"]
    execute(api_database, "UPDATE runs SET cost_usd = 2, model = 'gpt-5' WHERE id = %s", run_id)
    assert run_of(alice, run_id)["cost_usd"] == "2"


def test_a_model_that_nobody_sells_has_no_known_price(alice: Person) -> None:
    run = run_of(alice, alice.say("Hello")["run_id"])
    assert run["cost_usd"] is None
    assert run["usage"]["total_tokens"] == 15


def test_a_model_of_ones_own_costs_nothing(
    api_database: str, model: ModelServer, person: MakePerson, tmp_path: Path
) -> None:
    endpoint = model.url.removesuffix("/v1")
    settings = {"default_provider": "ollama", "ollama_endpoint": endpoint, "default_model": "gpt-4o-mini"}
    with running_api(api_database, None, data_dir=tmp_path, **settings) as url:
        alice = person(url)
        run = run_of(alice, alice.say("Hello")["run_id"])
    assert (run["provider"], run["cost_usd"]) == ("ollama", "0")


def test_a_turn_that_no_model_answered_cost_nothing(
    priced: str, person: MakePerson, model: ModelServer
) -> None:
    alice = person(priced)
    model.answers(JSONResponse({}, 403))
    failed = alice.post("Hello")
    assert failed.status_code >= 500
    [run] = alice.http.get("/api/v1/runs").json()["runs"]
    assert (run["status"], run["usage"]["requests"], run["cost_usd"]) == ("failed", 0, "0")


def test_an_answer_that_is_none_costs_what_its_server_counts(
    priced: str, person: MakePerson, model: ModelServer
) -> None:
    alice = person(priced)
    model.answers(lambda _: say(""))
    assert alice.post("Hello").status_code >= 500
    [run] = alice.http.get("/api/v1/runs").json()["runs"]
    assert (run["usage"]["total_tokens"], run["usage"]["estimated"]) == (15, False)
    assert run["cost_usd"] == "0.0000045"


@pytest.mark.parametrize("words", ["", "All of it but the last word " * 100])
def test_an_answer_that_is_cancelled_costs_what_there_was_of_it(
    priced: str, person: MakePerson, model: ModelServer, words: str
) -> None:
    alice, hold = person(priced), Hold()
    model.answers(stream(*([words] if words else []), hold, "."))
    path, later = f"/api/{alice.name}/chat", {"Prefer": "respond-async"}
    begun = alice.http.post(path, json={"message": "Hello " * 400}, headers=later).json()["data"]["run_id"]
    hold.wait()
    run = alice.http.post(f"/api/v1/runs/{begun}/cancel").json()
    hold.open()
    usage = run["usage"]
    assert (run["status"], usage["requests"], usage["estimated"]) == ("cancelled", 1, True)
    assert usage["output_tokens"] == len(words) // 4
    assert usage["input_tokens"] > 600
    assert float(run["cost_usd"]) > 0
    [step] = alice.http.get(f"/api/v1/runs/{begun}/steps").json()["steps"]
    assert (step["status"], step["output_tokens"]) == ("failed", usage["output_tokens"])


def test_an_answer_that_breaks_off_costs_what_there_was_of_it(
    priced: str, person: MakePerson, model: ModelServer
) -> None:
    alice = person(priced)
    model.answers(stream("Half of it", then="end"))
    assert alice.post("Hello").status_code >= 500
    [run] = alice.http.get("/api/v1/runs").json()["runs"]
    assert (run["usage"]["requests"], run["usage"]["output_tokens"]) == (1, 3)
