"""How often one may ask for what concerns logins: by login, by account, by person."""

from collections.abc import Generator

import httpx2
import pytest

from tests.chat_api.accounts import AUTH, PASSWORD, Someone, code_of, register, someone
from tests.chat_api.replica import execute, running_api
from tests.model_server import ModelServer

WRONG = "not the right one"
SPENT = "UPDATE rate_limits SET hits = 100 WHERE key LIKE 'password:%%'"


@pytest.fixture(scope="module")
def limited(database: str, shared_model: ModelServer) -> Generator[str]:
    limits = {"rate_limit_enabled": True, "rate_limit_read": "5/hour", "rate_limit_auth": "1000/minute"}
    with running_api(database, shared_model.url, registration="open", **limits) as url:
        yield url


def log_in(url: str, email: str, password: str, address: str) -> httpx2.Response:
    body = {"email": email, "password": password}
    with httpx2.Client(base_url=url, headers={"X-Forwarded-For": address}, trust_env=False) as http:
        return http.post(f"{AUTH}/login", json=body)


def test_a_login_is_refreshed_so_often_and_another_one_from_the_same_address_is_not_concerned(
    limited: str,
) -> None:
    with someone(limited) as ann, someone(limited) as bob:
        stale = ann.refresh_token
        assert [ann.refresh().status_code for _ in range(60)] == [200] * 60
        refused = ann.refresh()
        assert code_of(refused) == (429, "rate_limited")
        assert 0 < int(refused.headers["Retry-After"]) <= 60
        assert bob.refresh().status_code == 200
        # A copy that comes meanwhile ends the login as ever.
        assert ann.refresh(stale).status_code == 401
        assert ann.refresh().status_code == 401


def test_what_one_asks_of_ones_account_counts_as_reading(limited: str) -> None:
    with someone(limited) as ann:
        assert [ann.http.get(f"{AUTH}/me").status_code for _ in range(6)] == [200] * 5 + [429]


def test_passwords_are_guessed_so_often_from_all_addresses_together(limited: str, database: str) -> None:
    email = "victim@example.com"
    with httpx2.Client(base_url=limited, trust_env=False) as http:
        register(http, email)
    assert log_in(limited, email, PASSWORD, "192.0.2.1").status_code == 200
    assert log_in(limited, email, WRONG, "198.51.100.1").status_code == 401
    execute(database, SPENT)
    refused = log_in(limited, email, WRONG, "198.51.100.2")
    assert code_of(refused) == (429, "rate_limited")
    # Nor may one be right by chance.
    assert log_in(limited, email, PASSWORD, "198.51.100.3").status_code == 429
    # Where the person has logged in before, they still can; tries from there are counted, too.
    assert log_in(limited, email, PASSWORD, "192.0.2.1").status_code == 200
    assert log_in(limited, email, WRONG, "192.0.2.1").status_code == 401
    execute(database, SPENT)
    assert log_in(limited, email, PASSWORD, "192.0.2.1").status_code == 429


def test_an_address_without_an_account_is_counted_alike(limited: str, database: str) -> None:
    email = "nobody@example.com"
    assert log_in(limited, email, WRONG, "203.0.113.1").status_code == 401
    execute(database, SPENT)
    assert log_in(limited, email, WRONG, "203.0.113.2").status_code == 429
    assert log_in(limited, "nobody.else@example.com", WRONG, "203.0.113.2").status_code == 401


def test_who_is_right_has_all_tries_again(limited: str, database: str) -> None:
    with someone(limited) as ann:
        assert ann.log_in(WRONG).status_code == 401
        assert ann.log_in().status_code == 200
        assert guesses_of(database, ann) == []


def test_the_password_of_somebody_who_is_signed_in_is_guessed_so_often(limited: str, database: str) -> None:
    with someone(limited) as ann:

        def change(current: str) -> httpx2.Response:
            return ann.ask("change-password", current_password=current, new_password=PASSWORD + "!")

        assert change(WRONG).status_code == 401
        execute(database, SPENT)
        assert code_of(change(PASSWORD)) == (429, "rate_limited")


def test_nor_is_it_guessed_by_erasing_them(limited: str, database: str) -> None:
    with someone(limited) as ann:

        def erase(password: str) -> httpx2.Response:
            body = {"user_id": ann.user["user_id"], "password": password}
            return ann.http.request("DELETE", f"{AUTH}/me", json=body)

        assert erase(WRONG).status_code == 401
        execute(database, SPENT)
        assert code_of(erase(PASSWORD)) == (429, "rate_limited")


def guesses_of(database: str, person: Someone) -> list[tuple[str]]:
    wanted = "SELECT key FROM rate_limits WHERE key LIKE 'password:%%' AND key LIKE %s"
    of_email = "SELECT encode(sha256(convert_to(%s, 'UTF8')), 'hex')"
    [(digest,)] = execute(database, of_email, person.email)
    return execute(database, wanted, f"%{digest}%")
