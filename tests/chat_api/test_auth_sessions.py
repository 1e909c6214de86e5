"""Logins: refresh tokens are good once, a copy ends the login, and races leave nothing alive."""

import os
import random
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import httpx2
import pytest

from tests.chat_api.accounts import AUTH, Someone, code_of, someone
from tests.chat_api.replica import execute
from tests.model_server import ModelServer

ROUNDS = int(os.environ.get("REFRESH_ROUNDS", "5"))
AT_ONCE = 20
OVER = (401, "session_over")
LONG_AGO = "UPDATE login_sessions SET rotated_at = now() - interval '1 minute'"


@pytest.fixture
def alice(servers: list[str]) -> Generator[Someone]:
    with someone(servers[0]) as person:
        yield person


def test_a_refresh_token_is_good_for_the_next_one(alice: Someone) -> None:
    seen = {alice.refresh_token}
    for _ in range(5):
        assert alice.refresh().status_code == 200
        assert alice.http.get(f"{AUTH}/me").status_code == 200
        seen.add(alice.refresh_token)
    assert len(seen) == 6


def test_a_copy_that_is_used_ends_the_login(alice: Someone) -> None:
    stolen = alice.refresh_token
    alice.refresh()
    alice.refresh()
    assert code_of(alice.refresh(stolen)) == OVER
    assert code_of(alice.refresh()) == OVER


def test_who_did_not_get_the_answer_may_ask_again_for_a_moment(alice: Someone) -> None:
    before = alice.refresh_token
    alice.refresh()
    lost = alice.refresh_token
    assert alice.refresh(before).status_code == 200
    assert alice.refresh().status_code == 200
    # Of the two that followed, the other one was used: this is a copy.
    assert code_of(alice.refresh(lost)) == OVER
    assert code_of(alice.refresh()) == OVER


def test_after_that_moment_it_is_a_copy(alice: Someone, database: str) -> None:
    before = alice.refresh_token
    alice.refresh()
    execute(database, f"{LONG_AGO} WHERE user_id = %s", alice.user["id"])
    assert code_of(alice.refresh(before)) == OVER
    assert code_of(alice.refresh()) == OVER


def test_a_copy_ends_no_other_login(alice: Someone, servers: list[str]) -> None:
    with httpx2.Client(base_url=servers[1], timeout=30, trust_env=False) as http:
        elsewhere = Someone(http, alice.email, alice.password)
        elsewhere.log_in()
        stolen = alice.refresh_token
        alice.refresh()
        alice.refresh()
        assert code_of(alice.refresh(stolen)) == OVER
        assert elsewhere.refresh().status_code == 200


@pytest.mark.parametrize(
    "token", ["", "x", "tlr_", "tlr_" + "A" * 43, "tl_" + "A" * 43, "x" * 1025, "\x00", "' OR 1=1 --"]
)
def test_what_is_no_refresh_token_is_refused(alice: Someone, token: str) -> None:
    answer = alice.ask("refresh", refresh_token=token)
    assert answer.status_code in (401, 422)
    assert alice.refresh().status_code == 200


def test_an_access_token_refreshes_nothing_and_a_refresh_token_opens_nothing(alice: Someone) -> None:
    assert code_of(alice.ask("refresh", refresh_token=alice.tokens["access_token"])) == OVER
    alice.http.headers["Authorization"] = f"Bearer {alice.refresh_token}"
    assert code_of(alice.http.get(f"{AUTH}/me")) == (401, "invalid_token")


def test_a_login_ends_after_thirty_days_of_silence_or_ninety_in_all(alice: Someone, database: str) -> None:
    ends = alice.tokens["refresh_expires_in"]
    assert 29 * 86_400 < ends <= 30 * 86_400
    user = alice.user["id"]
    execute(database, "UPDATE login_sessions SET ends_at = now() + interval '1 day' WHERE user_id = %s", user)
    alice.refresh()
    assert alice.tokens["refresh_expires_in"] <= 86_400
    execute(database, "UPDATE login_sessions SET ends_at = now() WHERE user_id = %s", user)
    assert code_of(alice.refresh()) == OVER
    alice.log_in()
    execute(database, "UPDATE refresh_tokens SET expires_at = now() WHERE user_id = %s", user)
    assert code_of(alice.refresh()) == OVER


def test_logging_out_ends_one_login(alice: Someone, servers: list[str]) -> None:
    with httpx2.Client(base_url=servers[1], timeout=30, trust_env=False) as http:
        elsewhere = Someone(http, alice.email, alice.password)
        elsewhere.log_in()
        assert alice.ask("logout", refresh_token=alice.refresh_token).status_code == 200
        assert alice.ask("logout", refresh_token=alice.refresh_token).status_code == 200
        assert alice.ask("logout", refresh_token="tlr_nothing").status_code == 200
        assert code_of(alice.refresh()) == OVER
        assert elsewhere.refresh().status_code == 200


def test_logging_out_everywhere_ends_all(alice: Someone, servers: list[str]) -> None:
    with httpx2.Client(base_url=servers[1], timeout=30, trust_env=False) as http:
        elsewhere = Someone(http, alice.email, alice.password)
        elsewhere.log_in()
        assert elsewhere.ask("logout-all").status_code == 200
        assert [code_of(person.refresh()) for person in (alice, elsewhere)] == [OVER, OVER]
        assert alice.log_in().status_code == 200


def test_old_logins_are_forgotten(alice: Someone, database: str) -> None:
    past = "SET ends_at = now() - interval '1 day' WHERE user_id = %s"
    execute(database, f"UPDATE login_sessions {past}", alice.user["id"])
    alice.log_in()
    for table in ("login_sessions", "refresh_tokens"):
        count = f"SELECT count(*) FROM {table} WHERE user_id = %s"
        assert execute(database, count, alice.user["id"]) == [(1,)]


def test_twenty_who_ask_at_once_all_get_tokens_and_stay_one_login(alice: Someone, servers: list[str]) -> None:
    with Crowd(servers) as crowd:
        answers = crowd.refresh([alice.refresh_token] * AT_ONCE)
    assert [answer.status_code for answer in answers] == [200] * AT_ONCE
    words = [answer.json()["refresh_token"] for answer in answers]
    assert len(set(words)) == AT_ONCE
    assert alice.refresh(words[0]).status_code == 200
    assert code_of(alice.refresh(words[1])) == OVER
    assert code_of(alice.refresh()) == OVER


def test_of_two_that_follow_from_one_only_the_first_that_is_used_goes_on(
    alice: Someone, servers: list[str]
) -> None:
    with Crowd(servers) as crowd:
        for _ in range(ROUNDS):
            alice.log_in()
            parent, words = alice.refresh_token, list[str]()
            for _ in range(AT_ONCE):
                alice.refresh(parent)
                words.append(alice.refresh_token)
            answers = crowd.refresh(words)
            assert [answer.status_code for answer in answers].count(200) == 1
            last = next(answer for answer in answers if answer.status_code == 200)
            assert code_of(alice.refresh(last.json()["refresh_token"])) == OVER


def test_copies_used_at_once_leave_nothing_of_the_login_alive(
    alice: Someone, servers: list[str], database: str
) -> None:
    """Each round: a chain of refresh tokens, then twenty uses of old and new ones at once."""
    chance = random.Random(5)
    alice.ask("logout-all")
    with Crowd(servers) as crowd:
        for _ in range(ROUNDS):
            assert alice.log_in().status_code == 200
            words = [alice.refresh_token]
            for _ in range(3):
                alice.refresh()
                words.append(alice.refresh_token)
            # Most of the old ones end it; the newest may be first, and have followers.
            asked = [chance.choice(words) for _ in range(AT_ONCE - 2)] + [words[0], words[-1]]
            chance.shuffle(asked)
            answers = crowd.refresh(asked)
            assert {answer.status_code for answer in answers} <= {200, 401}
            words += [answer.json()["refresh_token"] for answer in answers if answer.status_code == 200]
            assert {answer.status_code for answer in crowd.refresh(words)} == {401}
            ended = "SELECT count(*), count(ended_at) FROM login_sessions WHERE user_id = %s"
            [(all_, over)] = execute(database, ended, alice.user["id"])
            assert all_ == over


def test_a_flood_of_logins_is_told_to_wait_and_keeps_nobody_from_talking(
    alice: Someone, servers: list[str], model: ModelServer
) -> None:
    def attempt(number: int) -> httpx2.Response:
        with httpx2.Client(base_url=servers[0], timeout=60, trust_env=False, verify=False) as http:
            return Someone(http, f"nobody-{number}@example.com", "not it").log_in()

    with ThreadPoolExecutor(100) as pool:
        flood = [pool.submit(attempt, number) for number in range(300)]
        said = [alice.say("Hello").status_code for _ in range(5)]
        answers = [each.result() for each in flood]
    assert said == [200] * 5
    refused = [answer for answer in answers if answer.status_code == 503]
    assert {answer.status_code for answer in answers} == {401, 503}
    assert {(code_of(answer), answer.headers["Retry-After"]) for answer in refused} == {
        ((503, "login_busy"), "2")
    }
    assert alice.log_in().status_code == 200


class Crowd:
    """Twenty clients over two replicas."""

    def __init__(self, servers: list[str]) -> None:
        self.clients = [
            httpx2.Client(base_url=servers[number % 2], timeout=60, trust_env=False)
            for number in range(AT_ONCE)
        ]
        self.pool = ThreadPoolExecutor(AT_ONCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown()
        for client in self.clients:
            client.close()

    def refresh(self, words: list[str]) -> list[httpx2.Response]:
        def ask(number: int) -> httpx2.Response:
            client = self.clients[number % AT_ONCE]
            return client.post(f"{AUTH}/refresh", json={"refresh_token": words[number]})

        return list(self.pool.map(ask, range(len(words))))
