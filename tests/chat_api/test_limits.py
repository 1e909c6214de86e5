"""How much one person may ask for, on all replicas together."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.sync.client import connect

from tests.chat_api.conftest import MakePerson
from tests.chat_api.processes import tool_server_process
from tests.chat_api.replica import execute, running_api
from tests.chat_api.sockets import Talk, closing, talking
from tests.chat_api.sockets import address as socket_of
from tests.mcp_server import raw_http
from tests.model_server import ModelServer
from tests.servers import Person, mcp_token

LIMITED: dict[str, Any] = {"rate_limit_enabled": True}


def statuses(responses: list[httpx2.Response]) -> dict[int, int]:
    found = [response.status_code for response in responses]
    return {status: found.count(status) for status in set(found)}


def runs(somebody: Person) -> httpx2.Response:
    return somebody.http.get("/api/v1/runs")


def test_two_replicas_let_through_exactly_the_limit_together(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    limits = LIMITED | {"rate_limit_read": "50/hour"}
    with (
        running_api(database_url, model.url, **limits) as one,
        running_api(database_url, model.url, **limits) as two,
        ThreadPoolExecutor(16) as pool,
    ):
        people = [person(url, name="ann") for url in (one, two)] * 60
        answers = list(pool.map(runs, people))
        assert statuses(answers) == {200: 50, 429: 70}
        assert person(one, name="bob").http.get("/api/v1/runs").status_code == 200


def test_a_refusal_says_when_to_come_back(database_url: str, model: ModelServer, person: MakePerson) -> None:
    with running_api(database_url, model.url, **LIMITED, rate_limit_create="1/hour") as url:
        ann = person(url)
        body = {"name": "A", "system_prompt": "B"}
        first = ann.http.post("/api/v1/agents", json=body)
        assert first.headers["RateLimit-Policy"] == '"create";q=1;w=3600'
        assert first.headers["RateLimit"].startswith('"create";r=0;t=')
        refused = ann.http.post("/api/v1/agents", json=body)
        error = refused.json()["error"]
        assert (refused.status_code, error["code"]) == (429, "rate_limited")
        wait = int(refused.headers["Retry-After"])
        assert 3500 < wait <= 3600
        assert error["details"] == {"limit": "create", "retry_after": wait}
        assert refused.headers["RateLimit"] == f'"create";r=0;t={wait}'
        # Reading has a limit of its own.
        assert ann.http.get("/api/v1/agents", params={"shared": False}).json()["total"] == 1


def test_a_window_ends(database_url: str, model: ModelServer, person: MakePerson) -> None:
    with running_api(database_url, model.url, **LIMITED, rate_limit_read="1/second") as url:
        ann = person(url)
        answers = [ann.http.get("/api/v1/runs") for _ in range(3)]
        while answers[-1].status_code == 429:
            answers.append(ann.http.get("/api/v1/runs"))
        assert [answer.status_code for answer in answers[:2]] == [200, 429]
        assert answers[-1].status_code == 200


@pytest.mark.parametrize("hours", [-1000, 1000])
def test_a_clock_that_jumps_neither_locks_out_nor_lets_in(
    database_url: str, model: ModelServer, person: MakePerson, hours: int
) -> None:
    limits = LIMITED | {"rate_limit_read": "2/hour"}
    with running_api(database_url, model.url, **limits) as url:
        ann = person(url, name="ann")
        assert statuses([ann.http.get("/api/v1/runs") for _ in range(3)]) == {200: 2, 429: 1}
    # As if the database's clock had jumped; a process that was there has it in mind, another has not.
    jump = "UPDATE rate_limits SET resets_at = resets_at - make_interval(hours => %s)"
    execute(database_url, jump, hours)
    with running_api(database_url, model.url, **limits) as url:
        ann = person(url, name="ann")
        assert statuses([ann.http.get("/api/v1/runs") for _ in range(3)]) == {200: 2, 429: 1}


def test_a_hit_that_had_to_wait_for_a_later_one_counts_beside_it(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    with running_api(database_url, model.url, **LIMITED, rate_limit_read="2/hour") as url:
        ann = person(url)
        first = ann.http.get("/api/v1/runs")
        # As if it had begun later than those that come now.
        execute(database_url, "UPDATE rate_limits SET resets_at = resets_at + interval '5 seconds'")
        assert statuses([first, *(ann.http.get("/api/v1/runs") for _ in range(2))]) == {200: 2, 429: 1}


def test_turns_are_limited_on_every_wire(database_url: str, model: ModelServer, person: MakePerson) -> None:
    with running_api(database_url, model.url, **LIMITED, rate_limit_chat="3/hour") as url:
        ann = person(url)
        whole = ann.post("Hello")
        assert whole.headers["RateLimit"].startswith('"chat";r=2;')
        streamed = ann.http.post(f"/api/{ann.name}/chat", json={"message": "Hello", "stream": True})
        assert streamed.headers["RateLimit"].startswith('"chat";r=1;')
        with talking(ann) as talk:
            accepted = talk.ask("chat", message="Hello")
            assert accepted["type"] == "accepted"
            talk.to_the_end(accepted["run_id"])
            refused = talk.ask("chat", message="Hello")
        assert (refused["type"], refused["code"]) == ("error", "rate_limited")
        assert ann.post("Hello").status_code == 429
        [(count,)] = execute(database_url, "SELECT count(*) FROM runs")
        assert count == 3


def test_premium_people_may_do_more(database_url: str, model: ModelServer, person: MakePerson) -> None:
    limits = LIMITED | {"rate_limit_read": "2/hour", "rate_limit_premium": 3}
    with running_api(database_url, model.url, **limits) as url:
        rich = person(url, tier="premium")
        assert statuses([rich.http.get("/api/v1/runs") for _ in range(8)]) == {200: 6, 429: 2}


def test_people_of_the_lowest_tier_may_do_a_tenth(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    limits = LIMITED | {"rate_limit_read": "20/hour"}
    with running_api(database_url, model.url, **limits) as url:
        answers = {
            tier: [person(url, name=tier, tier=tier).http.get("/api/v1/runs") for _ in range(4)]
            for tier in ("default", "authenticated")
        }
        assert statuses(answers["default"]) == {200: 2, 429: 2}
        assert statuses(answers["authenticated"]) == {200: 4}


def test_who_is_not_signed_in_counts_by_address(database_url: str, model: ModelServer) -> None:
    limits = LIMITED | {"rate_limit_read": "20/hour"}
    with running_api(database_url, model.url, **limits) as url, httpx2.Client(base_url=url) as http:

        def ask(address: str) -> int:
            headers = {"Authorization": "Bearer forged", "X-Forwarded-For": address}
            return http.get("/api/v1/runs", headers=headers).status_code

        assert [ask("192.0.2.1") for _ in range(4)] == [401, 401, 429, 429]
        # The proxy beside us is believed: the next address has its own.
        assert [ask("192.0.2.2") for _ in range(3)] == [401, 401, 429]


def test_an_address_of_ipv6_counts_with_its_network(database_url: str, model: ModelServer) -> None:
    limits = LIMITED | {"rate_limit_auth": "2/hour"}
    with running_api(database_url, model.url, **limits) as url, httpx2.Client(base_url=url) as http:

        def log_in(address: str) -> int:
            body = {"email": "ann@example.com", "password": "not the right one"}
            headers = {"X-Forwarded-For": address}
            return http.post("/api/v1/auth/login", json=body, headers=headers).status_code

        network = [f"2001:db8:1:2::{host:x}" for host in range(1, 4)]
        assert [log_in(address) for address in network] == [401, 401, 429]
        assert log_in("2001:db8:1:3::1") == 401
        assert [log_in(address) for address in ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1")] == [
            401,
            401,
            429,
        ]
        assert log_in("x" * 5000) == 401


def test_tries_to_take_turns_without_a_good_token_are_counted_by_address(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    # An address has a tenth of it, at both doors together.
    limits = LIMITED | {"rate_limit_chat": "30/hour"}
    with running_api(database_url, model.url, **limits) as url, httpx2.Client(base_url=url) as http:

        def post(address: str, **headers: str) -> int:
            sent = {"X-Forwarded-For": address, **headers}
            return http.post("/api/ann/chat", json={"message": "Hi"}, headers=sent).status_code

        def talk(address: str) -> tuple[int | None, str]:
            from_there = {"X-Forwarded-For": address}
            with connect(socket_of(url), proxy=None, additional_headers=from_there) as connection:
                talk = Talk(connection)
                talk.say("auth", token="forged")
                code, heard = closing(talk)
            return code, heard[-1]["code"]

        assert post("192.0.2.1", Authorization="Bearer forged") == 401
        assert talk("192.0.2.1") == (4401, "invalid_token")
        assert [post("192.0.2.1") for _ in range(2)] == [401, 429]
        assert talk("192.0.2.1") == (1013, "rate_limited")
        assert post("192.0.2.2") == 401
        # Whoever is signed in there is not concerned.
        good = person(url, name="ann").http.headers["Authorization"]
        assert post("192.0.2.1", Authorization=good) == 200


@pytest.mark.parametrize("amount", [3, 60])
def test_calls_of_tools_are_limited_at_both_doors(
    database_url: str, model: ModelServer, tmp_path: Path, amount: int
) -> None:
    limits = {"rate_limit_mcp": f"{amount}/hour"}
    headers = {"Authorization": f"Bearer {mcp_token('ann')}"}
    message = raw_http.request(raw_http.OLD, "tools/list")
    with (
        running_api(database_url, model.url, **LIMITED, **limits) as url,
        tool_server_process(database_url, RATE_LIMIT_MCP=f"{amount}/hour") as (other, _),
    ):
        found: list[httpx2.Response] = []
        for address in (url, other.removesuffix("/mcp")):
            with httpx2.Client(base_url=address, headers=headers, trust_env=False) as http:
                found += [raw_http.send(http, raw_http.OLD, message) for _ in range(amount)]
    refused = [response for response in found if response.status_code == 429]
    allowed = len(found) - len(refused)
    # What one server has taken at once and not used is lost to the other.
    assert amount - amount // 30 <= allowed <= amount
    assert int(refused[0].headers["Retry-After"]) > 3000
    assert "too often" in refused[0].json()["error"]["message"]


def test_another_tier_has_a_count_of_its_own(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    limits = LIMITED | {"rate_limit_read": "2/hour", "rate_limit_premium": 2}
    with running_api(database_url, model.url, **limits) as url:
        plain, rich = person(url, name="ann"), person(url, name="ann", tier="premium")
        assert statuses([plain.http.get("/api/v1/runs") for _ in range(3)]) == {200: 2, 429: 1}
        assert statuses([rich.http.get("/api/v1/runs") for _ in range(5)]) == {200: 4, 429: 1}


def test_logins_are_counted_by_address(database_url: str, model: ModelServer) -> None:
    limits = LIMITED | {"rate_limit_auth": "3/hour"}
    with running_api(database_url, model.url, **limits) as url, httpx2.Client(base_url=url) as http:

        def log_in(address: str) -> int:
            body = {"email": "ann@example.com", "password": "not the right one"}
            headers = {"X-Forwarded-For": address}
            return http.post("/api/v1/auth/login", json=body, headers=headers).status_code

        assert [log_in("192.0.2.1") for _ in range(4)] == [401, 401, 401, 429]
        assert log_in("192.0.2.2") == 401
