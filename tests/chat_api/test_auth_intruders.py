"""Whoever got in with what is somebody else's is thrown out, and has left no way in behind."""

from collections.abc import Callable, Generator
from typing import Any
from uuid import uuid4

import httpx2
import psycopg
import pytest

from tests.chat_api.accounts import AUTH, KEYS, PASSWORD, Someone, code_of, make_key, someone, using
from tests.chat_api.replica import execute, in_thread
from tests.chat_api.waiting import once
from tests.model_server import ModelServer

USERS = "/api/v1/users"
NOT_VALID = (401, "invalid_token")
OTHER = "four words are enough"
CHANGE: dict[str, Any] = {"current_password": PASSWORD, "new_password": OTHER}


@pytest.fixture
def alice(root: Someone, servers: list[str], model: ModelServer) -> Generator[Someone]:
    with someone(servers[0]) as person:
        yield person


@pytest.fixture
def deputy(root: Someone, alice: Someone) -> Someone:
    """Another admin, with a token that says so."""
    assert root.http.patch(of(alice), json={"role": "admin"}).status_code == 200
    assert alice.refresh().status_code == 200
    return alice


def of(person: Someone, verb: str = "") -> str:
    return f"{USERS}/{person.user['id']}{verb}"


def reset(root: Someone, person: Someone) -> None:
    assert root.http.post(of(person, "/reset-password"), json={"password": PASSWORD}).status_code == 200


def disable_and_enable(root: Someone, person: Someone) -> None:
    for verb in ("/disable", "/enable"):
        assert root.http.post(of(person, verb)).status_code == 200


def change(_: Someone, person: Someone) -> None:
    answer = person.http.post(f"{AUTH}/change-password", json=CHANGE | {"revoke_api_keys": True})
    assert answer.json()["message"] == "The password is changed; other logins and API keys are over."


@pytest.mark.parametrize("how", [reset, disable_and_enable, change])
def test_no_key_outlives_it(
    root: Someone, alice: Someone, servers: list[str], how: Callable[[Someone, Someone], None]
) -> None:
    key = make_key(alice)["key"]
    with using(servers[0], key) as here, using(servers[1], key) as there:
        assert [http.get(f"{AUTH}/me").status_code for http in (here, there)] == [200, 200]
        how(root, alice)
        once(lambda: code_of(here.get(f"{AUTH}/me")) == code_of(there.get(f"{AUTH}/me")) == NOT_VALID)


def test_another_password_alone_leaves_the_keys(alice: Someone, servers: list[str]) -> None:
    key = make_key(alice)["key"]
    assert alice.http.post(f"{AUTH}/change-password", json=CHANGE).status_code == 200
    with using(servers[0], key) as http:
        assert http.get(f"{AUTH}/me").status_code == 200


def test_the_token_of_a_login_that_was_ended_makes_no_keys(alice: Someone) -> None:
    make_key(alice)
    assert alice.http.post(f"{AUTH}/logout-all").status_code == 200
    assert alice.http.get(f"{AUTH}/me").status_code == 200
    assert code_of(alice.http.post(KEYS, json={"name": "Another"})) == (401, "session_over")
    assert alice.log_in().status_code == 200
    make_key(alice)


def all_about(person: Someone) -> list[tuple[str, str, Any]]:
    return [
        ("POST", USERS, {"email": f"{uuid4().hex[:8]}@example.com", "role": "admin"}),
        ("POST", USERS, {"email": f"{uuid4().hex[:8]}@example.com"}),
        ("PATCH", of(person), {"role": "admin"}),
        ("PATCH", of(person), {"tier": "premium"}),
        ("POST", of(person, "/reset-password"), {}),
        ("POST", of(person, "/disable"), None),
        ("POST", of(person, "/enable"), None),
        ("DELETE", of(person), None),
    ]


def test_who_is_no_admin_any_more_changes_nobody(root: Someone, deputy: Someone) -> None:
    assert root.http.patch(of(deputy), json={"role": "user"}).status_code == 200
    # The token says otherwise for ten minutes.
    assert deputy.http.get(USERS).status_code == 200
    for person in (deputy, root):
        asked = [deputy.http.request(how, path, json=body) for how, path, body in all_about(person)]
        assert [code_of(answer) for answer in asked] == [(403, "admin_only")] * len(asked)
    assert root.http.get(of(deputy)).json()["role"] == "user"


def test_the_token_of_an_admins_ended_login_changes_nobody(
    root: Someone, deputy: Someone, servers: list[str]
) -> None:
    assert deputy.http.post(f"{AUTH}/logout-all").status_code == 200
    with someone(servers[0]) as bob:
        asked = [deputy.http.request(how, path, json=body) for how, path, body in all_about(bob)]
        assert [code_of(answer) for answer in asked] == [(401, "session_over")] * len(asked)
        assert deputy.log_in().status_code == 200
        answers = [deputy.http.request(how, path, json=body) for how, path, body in all_about(bob)]
        assert [answer.status_code for answer in answers] == [201, 201, *[200] * 6]


def test_an_admins_key_takes_over_no_account(root: Someone, alice: Someone, servers: list[str]) -> None:
    key = make_key(root, "read", "write", "admin")["key"]
    mail = f"{uuid4().hex[:8]}@example.com"
    with using(servers[0], key) as http:
        refused = [
            http.post(USERS, json={"email": mail, "role": "admin"}),
            http.patch(of(alice), json={"role": "admin"}),
            http.patch(of(alice), json={"role": "user", "tier": "premium"}),
            http.post(of(alice, "/reset-password"), json={}),
            http.delete(of(alice)),
        ]
        assert [code_of(answer) for answer in refused] == [(403, "login_needed")] * len(refused)
        assert alice.refresh().json()["user"]["tier"] == "authenticated"
        assert http.post(USERS, json={"email": mail}).status_code == 201
        assert http.patch(of(alice), json={"tier": "premium"}).json()["tier"] == "premium"
        assert http.post(of(alice, "/disable")).status_code == 200


def asked_before(database: str, change: str, who: Someone, path: str, body: Any) -> httpx2.Response:
    """What is answered to a request that begins before the change of its person's row, and waits for it."""
    waiting = """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'
    """
    with psycopg.connect(database.replace("+psycopg", "")) as admin:
        admin.execute(f"UPDATE users SET {change} WHERE id = %s".encode(), [who.user["id"]])
        with in_thread(lambda: who.http.post(path, json=body)) as asked:
            once(lambda: execute(database, waiting) == [(1,)])
            admin.commit()
            return asked.result()


def test_who_is_disabled_meanwhile_makes_no_key(alice: Someone, database: str) -> None:
    answer = asked_before(database, "disabled_at = now()", alice, KEYS, {"name": "Late"})
    assert code_of(answer) == (401, "account_disabled")


def test_keys_that_were_left_are_not_good_again_when_their_owner_is_enabled(
    root: Someone, alice: Someone, servers: list[str], database: str
) -> None:
    key = make_key(alice)["key"]
    execute(database, "UPDATE users SET disabled_at = now() WHERE id = %s", alice.user["id"])
    assert root.http.post(of(alice, "/enable")).json()["disabled"] is False
    with using(servers[0], key) as http:
        assert code_of(http.get(f"{AUTH}/me")) == NOT_VALID
    assert alice.log_in().status_code == 200


def test_a_password_that_was_reset_meanwhile_is_not_changed(alice: Someone, database: str) -> None:
    answer = asked_before(database, "password_hash = 'reset'", alice, f"{AUTH}/change-password", CHANGE)
    assert code_of(answer) == (401, "wrong_credentials")
    kept = execute(database, "SELECT password_hash FROM users WHERE id = %s", alice.user["id"])
    assert kept == [("reset",)]
