"""Accounts: registering, logging in, being somebody, and other passwords."""

import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from tests.chat_api.accounts import AUTH, PASSWORD, Someone, code_of, register, someone
from tests.chat_api.replica import execute, running_api
from tests.model_server import ModelServer


@pytest.fixture(scope="module")
def server(database: str, shared_model: ModelServer) -> Generator[str]:
    """Anybody may register here; the first is root."""
    with running_api(database, shared_model.url, registration="open") as url:
        with someone(url, "root@example.com"):
            pass
        yield url


@pytest.fixture
def alice(server: str, model: ModelServer) -> Generator[Someone]:
    with someone(server) as person:
        yield person


@pytest.fixture
def http(server: str) -> Generator[httpx2.Client]:
    with httpx2.Client(base_url=server, timeout=30, trust_env=False) as client:
        yield client


def claims_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    return json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def test_somebody_registers_logs_in_and_talks(alice: Someone) -> None:
    assert alice.say("Hello").json()["data"]["response"] == "Hello."
    me = alice.http.get(f"{AUTH}/me").json()
    assert me == alice.user
    assert (me["email"], me["role"], me["tier"], me["disabled"]) == (
        alice.email,
        "user",
        "authenticated",
        False,
    )
    assert me["last_login_at"] is not None
    assert not {"password_hash", "password"} & me.keys()


def test_the_access_token_is_good_for_ten_minutes_and_tells_who_it_is(alice: Someone) -> None:
    claims = claims_of(alice.tokens["access_token"])
    assert (claims["sub"], claims["aud"], claims["iss"]) == (alice.user["user_id"], "turnlog", "turnlog")
    assert claims["exp"] - claims["iat"] == alice.tokens["expires_in"] == 600
    assert (claims["email"], claims["roles"], claims["tier"]) == (alice.email, [], "authenticated")


def test_what_a_login_answers_is_not_kept_on_the_way(alice: Someone) -> None:
    assert alice.log_in().headers["Cache-Control"] == "no-store"
    assert alice.refresh().headers["Cache-Control"] == "no-store"


def test_the_database_has_neither_passwords_nor_tokens(alice: Someone, database: str) -> None:
    kept = str(execute(database, "SELECT * FROM users, login_sessions, refresh_tokens"))
    assert "$argon2id$v=19$m=19456,t=2,p=1$" in kept
    for secret in (PASSWORD, alice.refresh_token, alice.tokens["access_token"]):
        assert secret not in kept


@pytest.mark.parametrize(
    ("given", "mode"),
    [
        ({"registration": "first"}, "first"),
        ({"registration": "open"}, "open"),
        ({"registration": "closed"}, "closed"),
        # A shared secret is there unless said otherwise.
        ({}, "closed"),
        ({"jwt_secret_key": None}, "first"),
        ({"jwt_secret_key": None, "jwt_jwks_url": "http://127.0.0.1:1/keys"}, "closed"),
    ],
    ids=str,
)
def test_who_may_register(given: dict[str, Any], mode: str, database_url: str, model: ModelServer) -> None:
    with (
        running_api(database_url, model.url, **given) as url,
        httpx2.Client(base_url=url, timeout=30, trust_env=False) as http,
    ):
        answers = [register(http, f"{name}@example.com").status_code for name in ("a", "b", "c")]
    assert answers == {"first": [202, 403, 403], "open": [202] * 3, "closed": [403] * 3}[mode]
    roles = [
        role for (role,) in execute(database_url, "SELECT role FROM users WHERE subject <> '' ORDER BY email")
    ]
    assert roles == {"first": ["admin"], "open": ["admin", "user", "user"], "closed": []}[mode]


def test_of_many_who_register_first_one_is_admin(database_url: str, model: ModelServer) -> None:
    def one(base_url: str, number: int) -> int:
        with httpx2.Client(base_url=base_url, timeout=30, trust_env=False) as http:
            return register(http, f"{number}@example.com").status_code

    with (
        running_api(database_url, model.url, registration="first") as first,
        running_api(database_url, model.url, registration="first") as second,
        ThreadPoolExecutor(4) as pool,
    ):
        answers = list(pool.map(one, (first, second, first, second), range(4)))
    assert sorted(answers) == [202, 403, 403, 403]
    assert execute(database_url, "SELECT count(*), min(role) FROM users WHERE subject <> ''") == [
        (1, "admin")
    ]


def test_the_first_user_is_an_admin(server: str) -> None:
    with httpx2.Client(base_url=server, timeout=30, trust_env=False) as http:
        root = Someone(http, "root@example.com", PASSWORD)
        assert root.log_in().json()["user"]["role"] == "admin"
        assert claims_of(root.tokens["access_token"])["roles"] == ["admin"]


@pytest.mark.parametrize(
    "email",
    [
        *("", "a", "@", "a@", "@b", "a b@c", "a@b c", "a@b@c", "a@-b.c", "a@b-.c", "a@b..c", ".a@b", "a.@b"),
        *(
            "a..b@c",
            "a@.b",
            "a@b.",
            "a\n@b",
            "a@b\n.c",
            "ä@b.c",
            "a@ä.c",
            '"a b"@c',
            "a@[127.0.0.1]",
            "<a@b>",
        ),
        *("a" * 65 + "@b.c", "a@" + "b" * 64 + ".c", "a@" + "b." * 126 + "c", "a,b@c", "a:b@c", "a@b\x00"),
    ],
)
def test_what_is_no_address_is_refused(http: httpx2.Client, email: str) -> None:
    assert code_of(register(http, email)) == (422, "invalid_request")


@pytest.mark.parametrize(
    "email", ["o'neil+tag@example.com", "a@localhost", "A.B@Example.COM", "x_y-z@a-b.example", " a1@b.c "]
)
def test_an_address_is_one_in_any_case(http: httpx2.Client, email: str) -> None:
    assert register(http, email).status_code == 202
    person = Someone(http, email.swapcase(), PASSWORD)
    assert person.log_in().json()["user"]["email"] == email.strip().lower()


@pytest.mark.parametrize(
    "password",
    [
        *("short", "1234567", "password", "PASSWORD", "Password1", "12345678", "qwertyuiop", "iloveyou1"),
        *("sunshine2024!", "aaaaaaaaaaaa", "x" * 257, "someone.long@example.com", "SOMEONE.LONG"),
    ],
)
def test_a_password_that_would_be_guessed_is_refused(http: httpx2.Client, password: str) -> None:
    assert code_of(register(http, "someone.long@example.com", password)) == (422, "weak_password")


@pytest.mark.parametrize(
    "password",
    [
        "vier wörter sind gut",
        "пароль из слов",
        "🐢🐢🐢🐢🐇🐇🐇🐇",
        "x" * 255 + "y",
        "a b c d e f",
        "83619274650183",
        "x;'--\"\\ <y>",
    ],
)
def test_any_other_is_taken_whatever_it_is_made_of(server: str, password: str) -> None:
    with someone(server, password=password) as person:
        assert person.log_in(password + "x").status_code == 401


def test_a_password_is_the_same_however_its_letters_are_composed(server: str) -> None:
    with someone(server, password="caf\u00e9 caf\u00e9 x") as person:
        assert person.log_in("cafe\u0301 cafe\u0301 x").status_code == 200


def test_a_password_that_was_kept_with_less_is_kept_anew_at_the_next_login(
    server: str, database: str
) -> None:
    composed, decomposed = "caf\u00e9 caf\u00e9 x", "cafe\u0301 cafe\u0301 x"
    with someone(server, password=composed) as person:
        weak = Argon2id(salt=b"x" * 16, length=32, iterations=1, lanes=1, memory_cost=64)
        kept = weak.derive_phc_encoded(composed.encode())
        execute(database, "UPDATE users SET password_hash = %s WHERE email = %s", kept, person.email)
        assert person.log_in(decomposed).status_code == 200
        [(newer,)] = execute(database, "SELECT password_hash FROM users WHERE email = %s", person.email)
        assert newer.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert person.log_in(composed).status_code == 200


def test_nothing_tells_whether_there_is_an_account(http: httpx2.Client, alice: Someone) -> None:
    known, unknown = register(http, alice.email, "another good one"), register(http, "nobody@example.com")
    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json())
    assert alice.log_in("another good one").status_code == 401
    wrong = [Someone(http, email, "x").log_in() for email in (alice.email, "no.one@example.com")]
    assert [code_of(answer) for answer in wrong] == [(401, "wrong_credentials")] * 2
    assert wrong[0].json()["message"] == wrong[1].json()["message"]


def test_it_takes_as_long_to_refuse_anybody(http: httpx2.Client, alice: Someone) -> None:
    def took(email: str) -> float:
        start = time.perf_counter()
        assert Someone(http, email, "not it").log_in().status_code == 401
        return time.perf_counter() - start

    # In turns, so that whatever else the machine does slows both.
    pairs = [(took(alice.email), took("no.one@example.com")) for _ in range(12)]
    there, nowhere = map(min, zip(*pairs, strict=True))
    # Comparing a password takes some tens of milliseconds; everything else is a few.
    assert 0.4 < nowhere / there < 2.5


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "a@b.c"},
        {"email": "a@b.c", "password": ""},
        {"email": "a@b.c", "password": 17},
        {"email": ["a@b.c"], "password": PASSWORD},
        {"email": "a@b.c", "password": "x" * 1025},
        {"email": "a@b.c", "password": PASSWORD, "role": "admin"},
        {"email": "a@b.c", "password": PASSWORD, "name": "a\x00"},
    ],
)
def test_a_body_that_makes_no_sense_is_refused_without_repeating_it(
    http: httpx2.Client, body: dict[str, Any]
) -> None:
    answer = http.post(f"{AUTH}/register", json=body)
    assert code_of(answer) == (422, "invalid_request")
    assert PASSWORD not in answer.text


def test_half_a_character_is_no_password(http: httpx2.Client) -> None:
    body = b'{"email": "a@b.c", "password": "long enough \\ud800"}'
    answer = http.post(f"{AUTH}/login", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)


def test_one_says_ones_name_and_time_zone(alice: Someone) -> None:
    changed = alice.http.patch(f"{AUTH}/me", json={"name": "Alice", "timezone": "Asia/Tokyo"}).json()
    assert (changed["name"], changed["timezone"]) == ("Alice", "Asia/Tokyo")
    alice.refresh()
    assert claims_of(alice.tokens["access_token"])["zoneinfo"] == "Asia/Tokyo"
    assert alice.http.patch(f"{AUTH}/me", json={"timezone": None}).json()["name"] == "Alice"
    for wrong in ({"timezone": "Europe"}, {"email": "x@y.z"}, {"role": "admin"}, {"name": ""}):
        assert alice.http.patch(f"{AUTH}/me", json=wrong).status_code == 422


def test_another_password_ends_the_other_logins_and_not_this_one(server: str, alice: Someone) -> None:
    with httpx2.Client(base_url=server, timeout=30, trust_env=False) as http:
        elsewhere = Someone(http, alice.email, PASSWORD)
        elsewhere.log_in()
        fresh = "a new one that is good"
        wrong = alice.ask("change-password", current_password="x", new_password=fresh)
        assert code_of(wrong) == (401, "wrong_credentials")
        weak = alice.ask("change-password", current_password=PASSWORD, new_password="password1")
        assert code_of(weak) == (422, "weak_password")
        assert alice.ask("change-password", current_password=PASSWORD, new_password=fresh).status_code == 200
        assert code_of(elsewhere.refresh()) == (401, "session_over")
        assert alice.refresh().status_code == 200
        assert (elsewhere.log_in().status_code, elsewhere.log_in(fresh).status_code) == (401, 200)


def test_people_of_another_issuer_have_no_password_here(server: str, person: Any) -> None:
    bob = person(server)
    me = bob.http.get(f"{AUTH}/me").json()
    assert (me["user_id"], me["email"], me["role"]) == (bob.name, None, "user")
    body = {"current_password": "x", "new_password": PASSWORD}
    assert code_of(bob.http.post(f"{AUTH}/change-password", json=body)) == (409, "outside_user")
    assert code_of(bob.http.patch(f"{AUTH}/me", json={"name": "Bob"})) == (409, "outside_user")


def test_nobody_is_nobody(http: httpx2.Client) -> None:
    assert http.get(f"{AUTH}/me").status_code == 401
    assert http.post(f"{AUTH}/logout-all").status_code == 401
