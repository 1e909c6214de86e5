"""Signing keys that follow one another, under replicas that run."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Generator
from typing import Any

import httpx2
import jwt
import pytest

from kit.access import CHANNEL
from tests.chat_api.accounts import AUTH, PASSWORD, Someone, code_of, make_key, register, someone
from tests.chat_api.replica import execute, running_api
from tests.chat_api.waiting import once
from tests.model_server import ModelServer, call, say
from tests.programs import run


@pytest.fixture
def servers(database_url: str, model: ModelServer) -> Generator[list[str]]:
    """Two replicas on a database of this test's own."""
    with (
        running_api(database_url, model.url, registration="open") as first,
        running_api(database_url, model.url, registration="open") as second,
    ):
        yield [first, second]


@pytest.fixture
def alice(servers: list[str]) -> Generator[Someone]:
    with someone(servers[0]) as person:
        yield person


def rotate(database_url: str, *options: str) -> None:
    done = run("turnlog", "keys", "rotate", *options, database_url=database_url)
    assert done.returncode == 0, done.stderr


def published(url: str) -> list[str]:
    keys = httpx2.get(f"{url}/.well-known/jwks.json", trust_env=False).json()["keys"]
    return [key["kid"] for key in keys]


def kid_of(person: Someone) -> str:
    return jwt.get_unverified_header(person.tokens["access_token"])["kid"]


def me(url: str, token: str) -> httpx2.Response:
    return httpx2.get(f"{url}{AUTH}/me", headers={"Authorization": f"Bearer {token}"}, trust_env=False)


def let_be(database_url: str, what: str, kid: str) -> None:
    """Bring a time of a key's forward, and tell the replicas, which know those times from before."""
    execute(database_url, f"UPDATE signing_keys SET {what} = now() WHERE id = %s", kid)
    execute(database_url, f"NOTIFY {CHANNEL}")


def test_a_new_key_is_published_signs_later_and_the_old_one_stays_good(
    alice: Someone, servers: list[str], database_url: str
) -> None:
    [old] = published(servers[0])
    rotate(database_url)
    for url in servers:
        once(lambda url=url: len(published(url)) == 2)
    [new] = set(published(servers[0])) - {old}
    alice.refresh()
    before = alice.tokens["access_token"]
    assert kid_of(alice) == old
    let_be(database_url, "signs_from", new)

    def signs() -> bool:
        alice.refresh()
        return kid_of(alice) == new

    once(signs)
    for url in servers:
        assert [me(url, token).status_code for token in (before, alice.tokens["access_token"])] == [200, 200]
    let_be(database_url, "retired_at", old)
    for url in servers:
        once(lambda url=url: me(url, before).status_code == 401)
        assert published(url) == [new]
        assert me(url, alice.tokens["access_token"]).status_code == 200


def test_a_key_that_was_stolen_is_good_for_nothing_at_once(
    alice: Someone, servers: list[str], database_url: str, model: ModelServer
) -> None:
    before = alice.tokens["access_token"]
    assert [me(url, before).status_code for url in servers] == [200, 200]
    rotate(database_url, "--now")
    for url in servers:
        once(lambda url=url: me(url, before).status_code == 401)
        assert len(published(url)) == 1
    assert code_of(me(servers[0], before)) == (401, "invalid_token")
    assert alice.refresh().status_code == 200
    model.answers(call("add_todo", title="Milk"), say("Noted."))
    [noted] = alice.say("Remind me of milk").json()["data"]["tool_calls"]
    assert noted["result"]["title"] == "Milk"
    assert len(execute(database_url, "SELECT * FROM signing_keys")) == 2


def test_a_key_that_no_replica_was_told_of_is_found_by_its_first_token(
    alice: Someone, servers: list[str], database_url: str
) -> None:
    """The new key signs on one replica before the other one can have heard of it."""
    rotate(database_url, "--now")
    made = run("turnlog", "token", "--user", "bob", database_url=database_url).stdout.strip()
    assert [me(url, made).status_code for url in servers] == [200, 200]


def test_tokens_of_unknown_keys_do_not_flood_the_database(servers: list[str], database_url: str) -> None:
    head, body = ({"alg": "EdDSA", "kid": "other"}, {"sub": "x"})
    parts = [urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (head, body)]
    token = ".".join([*parts, "A" * 86])
    scans = "SELECT seq_scan + coalesce(idx_scan, 0) FROM pg_stat_user_tables WHERE relname = 'signing_keys'"
    assert {me(servers[0], token).status_code for _ in range(200)} == {401}
    [(scanned,)] = execute(database_url, scans)
    assert scanned < 60


def test_an_admin_is_made_on_the_command_line(database_url: str, model: ModelServer) -> None:
    def create(email: str, password: str) -> Any:
        return run("turnlog", "create-admin", "--email", email, stdin=password, database_url=database_url)

    assert create("Root@Example.com", f"{PASSWORD}\n").returncode == 0
    with (
        running_api(database_url, model.url, registration="first") as url,
        httpx2.Client(base_url=url, trust_env=False) as http,
    ):
        root = Someone(http, "root@example.com", PASSWORD)
        assert root.log_in().json()["user"]["role"] == "admin"
        key = make_key(root)["key"]
        # The first user is there: nobody else registers.
        assert code_of(register(http, "mallory@example.com")) == (403, "registration_closed")
        assert create("root@example.com", f"{PASSWORD} forgotten\n").returncode == 0
        assert root.log_in().status_code == 401
        assert root.log_in(f"{PASSWORD} forgotten").status_code == 200
        once(lambda: me(url, key).status_code == 401)
    weak, wrong = create("a@example.com", "password\n"), create("nonsense", f"{PASSWORD}\n")
    assert (weak.returncode, wrong.returncode) == (2, 2)
    assert "choose another" in weak.stderr
    assert "name@example.com" in wrong.stderr
