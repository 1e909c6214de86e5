"""What admins do about people."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.chat_api.accounts import AUTH, PASSWORD, Someone, code_of, someone
from tests.chat_api.conftest import MakePerson
from tests.chat_api.replica import execute, running_api
from tests.model_server import ModelServer
from tests.servers import Person

USERS = "/api/v1/users"


@pytest.fixture(scope="module")
def root(database: str, shared_model: ModelServer) -> Generator[Someone]:
    """The first user of a server where anybody may register."""
    with (
        running_api(database, shared_model.url, registration="open") as url,
        someone(url, "root@example.com") as person,
    ):
        yield person


@pytest.fixture
def alice(root: Someone) -> Generator[Someone]:
    with someone(str(root.http.base_url)) as person:
        yield person


def of(person: Someone, verb: str = "") -> str:
    return f"{USERS}/{person.user['id']}{verb}"


def logged_in(root: Someone, email: str, password: str) -> httpx2.Response:
    with httpx2.Client(base_url=root.http.base_url, trust_env=False) as http:
        return Someone(http, email, password).log_in()


def test_only_admins_may(alice: Someone, root: Someone, person: MakePerson) -> None:
    asked: list[tuple[str, str, Any]] = [
        ("GET", USERS, None),
        ("POST", USERS, {"email": "x@example.com"}),
        ("GET", of(root), None),
        ("PATCH", of(root), {"role": "user"}),
        ("POST", of(root, "/disable"), None),
        ("POST", of(alice, "/enable"), None),
        ("POST", of(root, "/reset-password"), {}),
    ]
    outsider = person(str(root.http.base_url))
    for who in (alice.http, outsider.http):
        refused = [who.request(method, path, json=body) for method, path, body in asked]
        assert [code_of(answer) for answer in refused] == [(403, "admin_only")] * len(asked)
    assert root.http.get(of(root)).json()["role"] == "admin"


def test_users_are_listed_and_found_by_how_they_begin(root: Someone, person: MakePerson) -> None:
    mark = uuid4().hex[:8]
    url = str(root.http.base_url)
    for number in range(3):
        with someone(url, f"{mark}-{number}@example.com"):
            pass
    outsider = person(url, f"{mark}-outside")
    outsider.say("Hello")
    first = root.http.get(USERS, params={"q": mark.upper(), "limit": 2}).json()
    assert [user["email"] for user in first["users"]] == [f"{mark}-{number}@example.com" for number in (2, 1)]
    rest = root.http.get(USERS, params={"q": mark, "limit": 2, "cursor": first["next_cursor"]}).json()
    found = root.http.get(USERS, params={"q": f"{mark}-o"}).json()["users"]
    assert [(user["user_id"], user["email"]) for user in found] == [(outsider.name, None)]
    assert [user["email"] for user in rest["users"]] == [f"{mark}-0@example.com"]
    assert rest["next_cursor"] is None
    assert root.http.get(USERS, params={"q": f"{mark}%"}).json()["users"] == []
    assert "password" not in str(first).replace("change_password", "")


def test_an_admin_makes_an_account_with_a_password_for_a_day(root: Someone, database: str) -> None:
    email = f"{uuid4().hex[:8]}@example.com"
    made = root.http.post(USERS, json={"email": email, "name": "New"})
    assert (made.status_code, made.headers["Cache-Control"]) == (201, "no-store")
    temporary = made.json()["temporary_password"]
    assert logged_in(root, email, temporary).json()["user"]["change_password"] is True
    taken = root.http.post(USERS, json={"email": email})
    assert code_of(taken) == (409, "email_taken")
    past = "UPDATE users SET password_expires_at = now() WHERE email = %s"
    execute(database, past, email)
    assert code_of(logged_in(root, email, temporary)) == (401, "wrong_credentials")


def test_a_reset_password_ends_logins_until_another_is_chosen(root: Someone, alice: Someone) -> None:
    answer = root.http.post(of(alice, "/reset-password"), json={}).json()
    temporary = answer["temporary_password"]
    assert code_of(alice.refresh()) == (401, "session_over")
    assert code_of(alice.log_in()) == (401, "wrong_credentials")
    assert alice.log_in(temporary).status_code == 200
    body = {"current_password": temporary, "new_password": PASSWORD + "!"}
    assert alice.http.post(f"{AUTH}/change-password", json=body).status_code == 200
    assert alice.log_in(PASSWORD + "!").json()["user"]["change_password"] is False
    chosen = root.http.post(of(alice, "/reset-password"), json={"password": PASSWORD})
    assert chosen.json() == {"temporary_password": None}
    assert alice.log_in(PASSWORD).json()["user"]["change_password"] is False
    weak = root.http.post(of(alice, "/reset-password"), json={"password": "password"})
    assert code_of(weak) == (422, "weak_password")


def test_a_role_and_a_tier_are_in_the_next_token(root: Someone, alice: Someone) -> None:
    assert alice.http.get(USERS).status_code == 403
    changed = root.http.patch(of(alice), json={"role": "admin", "tier": "premium"}).json()
    assert (changed["role"], changed["tier"]) == ("admin", "premium")
    alice.refresh()
    assert alice.http.get(USERS).status_code == 200
    assert root.http.patch(of(alice), json={"role": "user"}).json()["tier"] == "premium"
    alice.refresh()
    assert alice.http.get(USERS).status_code == 403


@pytest.mark.parametrize("body", [{"role": "god"}, {"tier": "gold"}, {"email": "x@y.z"}, {"role": 1}])
def test_what_is_no_role_or_tier_is_refused(root: Someone, alice: Someone, body: dict[str, Any]) -> None:
    assert root.http.patch(of(alice), json=body).status_code == 422


def test_the_last_admin_stays_one(root: Someone, alice: Someone) -> None:
    for answer in (root.http.post(of(root, "/disable")), root.http.patch(of(root), json={"role": "user"})):
        assert code_of(answer) == (409, "last_admin")
    root.http.patch(of(alice), json={"role": "admin"})
    alice.refresh()
    assert root.http.patch(of(root), json={"role": "user"}).status_code == 200
    assert code_of(alice.http.post(of(alice, "/disable"))) == (409, "last_admin")
    assert alice.http.patch(of(root), json={"role": "admin"}).status_code == 200
    assert alice.http.patch(of(alice), json={"role": "user"}).status_code == 200
    root.refresh()


def test_of_two_admins_who_disable_each_other_one_stays(root: Someone, alice: Someone) -> None:
    for _ in range(5):
        root.http.patch(of(alice), json={"role": "admin"})
        alice.log_in()
        with ThreadPoolExecutor(2) as pool:
            asked = [
                pool.submit(who.http.post, of(other, "/disable"))
                for who, other in ((root, alice), (alice, root))
            ]
            statuses = [answer.result().status_code for answer in asked]
        assert statuses.count(200) == 1, statuses
        left, out = (root, alice) if statuses[0] == 200 else (alice, root)
        assert left.http.post(of(out, "/enable")).status_code == 200
        assert out.log_in().status_code == 200
    root.http.patch(of(alice), json={"role": "user"})


def test_what_another_issuer_says_is_not_changed_here(root: Someone, person: MakePerson) -> None:
    bob: Person = person(str(root.http.base_url))
    bob.say("Hello")
    [user] = root.http.get(USERS, params={"q": bob.name}).json()["users"]
    path = f"{USERS}/{user['id']}"
    assert code_of(root.http.patch(path, json={"role": "admin"})) == (409, "outside_user")
    assert code_of(root.http.post(f"{path}/reset-password", json={})) == (409, "outside_user")
    assert root.http.patch(path, json={"tier": "premium"}).json()["tier"] == "premium"


def test_who_another_issuer_makes_an_admin_is_told_so(person: MakePerson) -> None:
    root, alice = person(roles=["admin"]), person()
    for each, role in ((root, "admin"), (alice, "user")):
        assert each.say("Hello")
        assert each.http.get("/api/v1/auth/me").json()["role"] == role


def test_a_tier_counts_whoever_issues_the_tokens(
    database_url: str, person: MakePerson, model: ModelServer
) -> None:
    def policy(http: httpx2.Client) -> str:
        return http.get("/api/v1/runs").headers["RateLimit-Policy"]

    with (
        running_api(database_url, model.url, registration="open", rate_limit_enabled=True) as url,
        someone(url) as root,
    ):
        bob = person(url)
        bob.say("Hello")
        plain = policy(bob.http)
        assert policy(root.http) == plain
        [user] = root.http.get(USERS, params={"q": bob.name}).json()["users"]
        for account in (user["id"], root.user["id"]):
            assert root.http.patch(f"{USERS}/{account}", json={"tier": "premium"}).status_code == 200
        root.refresh()
        assert policy(bob.http) == policy(root.http) != plain


def test_a_user_that_there_is_not_is_not_found(root: Someone) -> None:
    path = f"{USERS}/{uuid4()}"
    asked = [("GET", "", None), ("PATCH", "", {"tier": "premium"}), ("POST", "/disable", None)]
    asked += [("POST", "/enable", None), ("POST", "/reset-password", {})]
    for method, verb, body in asked:
        answer = root.http.request(method, path + verb, json=body)
        assert code_of(answer) == (404, "user_not_found")
