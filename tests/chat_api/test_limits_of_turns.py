"""How many turns one person may have at a time, and how many tokens a day."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.chat_api.conftest import MakePerson
from tests.chat_api.replica import Gate, execute, running_api
from tests.model_server import ModelServer, say

LIMITED: dict[str, Any] = {"rate_limit_enabled": True}


def test_turns_begun_together_are_not_more_than_there_may_be(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    gate = Gate()
    model.script = gate.before(say("Well."))
    with (
        running_api(database_url, model.url, **LIMITED, max_turns_per_user=3) as url,
        ThreadPoolExecutor(12) as pool,
    ):
        ann = person(url)
        path, later = f"/api/{ann.name}/chat", {"Prefer": "respond-async"}
        begin = [pool.submit(ann.http.post, path, json={"message": "Hi"}, headers=later) for _ in range(24)]
        answers = [each.result() for each in begin]
        gate.open()
    assert 1 <= [answer.status_code for answer in answers].count(202) <= 3


def waiting(database: str) -> int:
    [(count,)] = execute(database, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    return count


@pytest.mark.parametrize(
    "limits", [{"max_turns_per_user": 1}, {"tokens_per_day": 100, "agent_max_tokens": 100}]
)
def test_of_turns_begun_together_on_two_replicas_there_are_not_more(
    database_url: str, model: ModelServer, person: MakePerson, limits: dict[str, Any]
) -> None:
    gate = Gate()
    model.script = gate.before(say("Well."))
    with (
        running_api(database_url, model.url, **LIMITED, **limits) as one,
        running_api(database_url, model.url, **LIMITED, **limits) as two,
        ThreadPoolExecutor(2) as pool,
    ):
        people = [person(url, name="ann") for url in (one, two)]
        with psycopg.connect(database_url.replace("+psycopg", "")) as other:
            # Both are let in, or one of them is held, before either has begun.
            other.execute("LOCK TABLE runs IN SHARE MODE")
            begun = [
                pool.submit(
                    each.http.post,
                    "/api/ann/chat",
                    json={"message": "Hi"},
                    headers={"Prefer": "respond-async"},
                )
                for each in people
            ]
            while waiting(database_url) < len(people):
                pass
        found = sorted(each.result().status_code for each in begun)
        gate.open()
    assert found == [202, 429]


def test_a_person_has_so_many_turns_at_a_time(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    gate = Gate()
    with running_api(database_url, model.url, **LIMITED, max_turns_per_user=2) as url:
        ann, bob = person(url), person(url)
        model.answers(gate.before(say("One")), gate.before(say("Two")), say("Bob's"), say("Three"))
        path, later = f"/api/{ann.name}/chat", {"Prefer": "respond-async"}
        first = {"message": "Hello"}
        known = later | {"Idempotency-Key": "one"}
        begun = ann.http.post(path, json=first, headers=known)
        ann.http.post(path, json=first, headers=later)
        refused = ann.http.post(path, json=first, headers=later)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_turns")
        assert refused.headers["Retry-After"] == "5"
        # The same turn, sent again, is no further one; others are not concerned.
        assert ann.http.post(path, json=first, headers=known).json() == begun.json()
        gate.wait()
        assert bob.say("Hello")["response"] == "Bob's"
        gate.open()


def test_a_person_has_so_many_tokens_a_day(database_url: str, model: ModelServer, person: MakePerson) -> None:
    with running_api(database_url, model.url, **LIMITED, tokens_per_day=20) as url:
        ann = person(url)
        assert [ann.post("Hello").status_code for _ in range(2)] == [200, 200]
        refused = ann.post("Hello")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "budget_spent")
        assert person(url).post("Hello").status_code == 200
        yesterday = "UPDATE {} SET {column} = {column} - interval '1 day'"
        execute(database_url, yesterday.format("runs", column="created_at"))
        assert ann.post("Hello").status_code == 200


@pytest.mark.parametrize("way", ["one", "many"])
def test_tokens_of_a_conversation_that_is_deleted_stay_spent(
    database_url: str, model: ModelServer, person: MakePerson, way: str
) -> None:
    with running_api(database_url, model.url, **LIMITED, tokens_per_day=20) as url:
        ann = person(url)
        for _ in range(2):
            spent = ann.say("Hello")["conversation_id"]
            if way == "one":
                ann.http.delete(f"/api/v1/conversations/{spent}", params={"hard_delete": True})
            else:
                ann.http.post("/api/v1/conversations/bulk", json={"ids": [spent], "action": "hard_delete"})
        assert execute(database_url, "SELECT count(*) FROM runs") == [(0,)]
        refused = ann.post("Hello")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "budget_spent")
        assert person(url).post("Hello").status_code == 200
        execute(database_url, "UPDATE spent_tokens SET hour = hour - interval '1 day'")
        assert ann.post("Hello").status_code == 200


def test_turns_begun_together_have_what_is_left_of_the_tokens_once(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    gate = Gate()
    model.answers(gate.before(say("One")), say("Two"))
    limits = LIMITED | {"tokens_per_day": 100, "agent_max_tokens": 100}
    with running_api(database_url, model.url, **limits) as url:
        ann = person(url)
        path, later = f"/api/{ann.name}/chat", {"Prefer": "respond-async"}
        begun = ann.http.post(path, json={"message": "Hi"}, headers=later).json()["data"]["run_id"]
        refused = ann.post("Hello")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "budget_spent")
        assert refused.headers["Retry-After"] == "5"
        gate.open()
        with ann.http.stream(
            "GET", f"/api/v1/runs/{begun}/events", headers={"Accept": "text/event-stream"}
        ) as events:
            events.read()
        assert ann.say("Hello")["response"] == "Two"
