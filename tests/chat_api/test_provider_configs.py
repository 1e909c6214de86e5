"""Providers of people's own: who may name which, who sees what of them, and where their keys go."""

import asyncio
import time
from collections.abc import Generator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
import pytest
from starlette.responses import Response

from chat_api.providers.addresses import Addresses
from chat_api.providers.registry import Registry
from kit.postgres import open_db
from tests.chat_api.accounts import Someone, code_of, someone
from tests.chat_api.conftest import MakePerson
from tests.chat_api.providers import Place, configure, placed
from tests.chat_api.replica import execute
from tests.model_server import ModelServer
from tests.servers import Person

PATH = "/api/v1/providers"
PUBLIC = "https://models.example.com/v1"


@pytest.fixture
def admin(person: MakePerson) -> Person:
    return person(roles=["admin"])


@pytest.fixture
def place() -> Generator[Place]:
    with placed(Place()) as place:
        yield place


def ask(person: Person, provider: str) -> str:
    """The answer of a turn that names its provider."""
    body = {"message": "Hello", "provider": provider}
    response = person.http.post(f"/api/{person.name}/chat", json=body)
    assert response.status_code == 200, response.text
    return response.json()["data"]["response"]


def test_a_provider_is_kept_changed_and_struck_off(admin: Person, place: Place) -> None:
    provider_id = configure(admin, "work", place.url, api_key="k", model="large", kind="ollama", priority=7)
    one = f"{PATH}/{provider_id}"
    found = admin.http.get(one)
    assert found.headers["ETag"] == '"1"'
    assert found.json() | {"created_at": "", "updated_at": ""} == {
        "id": provider_id,
        "name": "work",
        "kind": "ollama",
        "base_url": f"{place.url}/v1",
        "has_api_key": True,
        "model": "large",
        "enabled": True,
        "shared": False,
        "priority": 7,
        "timeout_seconds": None,
        "first_token_seconds": None,
        "retries": 1,
        "context_tokens": None,
        "can_change": True,
        "version": 1,
        "created_at": "",
        "updated_at": "",
    }
    changed = admin.http.patch(one, json={"model": None, "retries": 3}, headers={"If-Match": '"1"'})
    assert (changed.json()["model"], changed.json()["retries"], changed.headers["ETag"]) == (None, 3, '"2"')
    late = admin.http.patch(one, json={"retries": 0}, headers={"If-Match": '"1"'})
    assert (*code_of(late), late.json()["error"]["details"]) == (412, "provider_changed", {"version": 2})
    assert code_of(admin.http.delete(one, headers={"If-Match": '"1"'})) == (412, "provider_changed")
    assert admin.http.get(PATH).json()["total"] == 1
    assert admin.http.delete(one).status_code == 200
    assert admin.http.get(PATH).json() == {"providers": [], "next_cursor": None, "total": 0}
    assert code_of(admin.http.get(one)) == (404, "provider_not_found")


def test_names_are_checked(alice: Person) -> None:
    for name in ("ollama", "lmstudio", "openai", "local"):
        body = {"name": name, "base_url": PUBLIC}
        assert code_of(alice.http.post(PATH, json=body)) == (422, "provider_invalid")
    configure(alice, "work", PUBLIC)
    again = alice.http.post(PATH, json={"name": "work", "base_url": PUBLIC})
    assert code_of(again) == (409, "provider_name_taken")
    for number in range(19):
        configure(alice, f"w{number}", PUBLIC)
    one_more = alice.http.post(PATH, json={"name": "one-more", "base_url": PUBLIC})
    assert code_of(one_more) == (409, "too_many_providers")


def test_only_admins_share_and_change_what_is_shared(servers: list[str], root: Someone) -> None:
    with placed(Place()) as place, someone(servers[0]) as bob, someone(servers[1]) as elsewhere:
        refused = bob.http.post(PATH, json={"name": "ours", "base_url": PUBLIC, "shared": True})
        assert code_of(refused) == (403, "admin_only")
        body = {"name": "ours", "base_url": f"{place.url}/secret/path", "shared": True, "model": "m"}
        place.shows = {}
        one = f"{PATH}/{root.http.post(PATH, json=body).json()['id']}"
        seen = bob.http.get(one).json()
        assert (seen["base_url"], seen["can_change"]) == (place.url, False)
        assert code_of(bob.http.patch(one, json={"enabled": False})) == (403, "admin_only")
        assert code_of(bob.http.delete(one)) == (403, "admin_only")
        taken = bob.http.post(PATH, json={"name": "ours", "base_url": PUBLIC})
        assert code_of(taken) == (409, "provider_name_taken")
        # Everybody may use it, at once, also where it was not made.
        status = elsewhere.http.get("/api/v1/models/ours/status").json()
        assert (status["available"], status["endpoint"]) == (False, place.url)
        root.http.delete(one)
        assert code_of(bob.http.get("/api/v1/models/ours/status")) == (404, "provider_not_found")


def test_a_key_goes_to_its_server_and_nowhere_else(
    api_database: str,
    admin: Person,
    place: Place,
    model: ModelServer,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    key, answers = f"canary{uuid4().hex}", list[str]()
    one = f"{PATH}/{configure(admin, 'work', place.url, api_key=key)}"
    assert ask(admin, "work") == "I am place."
    answers += [admin.http.get(one).text, admin.http.post(f"{one}/test").text, admin.http.get(PATH).text]
    answers += [admin.http.get("/api/v1/models").text, admin.http.get("/api/v1/models/work/status").text]
    answers += [admin.http.patch(one, json={"api_key": f"{key}\n"}).text]
    body = {"provider": "openai", "endpoint": place.url, "api_key": key}
    answers += [admin.http.post("/api/v1/models/connect", json=body).text]
    # It sends the key back, in the body of an error.
    place.everything = lambda _: Response(key, 500)
    answers += [admin.http.post(f"/api/{admin.name}/chat", json={"message": "Hi", "provider": "work"}).text]
    answers += [
        admin.http.post("/api/v1/models/connect", json=body).text,
        admin.http.post(f"{one}/test").text,
    ]
    answers += [admin.http.get("/api/v1/runs").text]
    row = "SELECT provider_configs::text, encode(secret, 'escape') FROM provider_configs"
    kept = execute(api_database, row)
    events = execute(api_database, "SELECT data::text FROM events WHERE type = 'step.finished'")
    written = "".join(capfd.readouterr()) + caplog.text + str(kept) + str(events) + str(model.requests)
    assert key not in "".join(answers) + written
    # The control: it was there to be found.
    assert place.keys == {f"Bearer {key}"}


def test_a_key_does_not_follow_its_provider_to_another_host(admin: Person, place: Place) -> None:
    with placed(Place("other")) as other:
        one = f"{PATH}/{configure(admin, 'work', place.url, api_key='first')}"
        moved = admin.http.patch(one, json={"base_url": other.url})
        assert code_of(moved) == (422, "provider_key_needed")
        assert admin.http.patch(one, json={"base_url": f"{place.url}/v1/"}).status_code == 200
        assert admin.http.patch(one, json={"base_url": other.url, "api_key": "second"}).status_code == 200
        assert ask(admin, "work") == "I am other."
        assert other.keys == {"Bearer second"}
        back = admin.http.patch(one, json={"base_url": place.url, "api_key": None}).json()
        assert back["has_api_key"] is False
        assert ask(admin, "work") == "I am place."
        assert place.keys == {None, "Bearer none"}


def test_a_key_that_was_moved_to_another_row_opens_nothing(
    api_database: str, admin: Person, person: MakePerson, place: Place
) -> None:
    thief = person(roles=["admin"])
    one = configure(admin, "work", place.url, api_key="stolen")
    two = configure(thief, "work", place.url, api_key="own")
    other = "(SELECT secret FROM provider_configs WHERE id = %s)"
    execute(api_database, f"UPDATE provider_configs SET secret = {other} WHERE id = %s", one, two)
    tested = thief.http.post(f"{PATH}/{two}/test").json()
    assert tested["error"] == "Its API key cannot be read any more; send it again."
    body = {"message": "Hello", "provider": "work"}
    data = thief.http.post(f"/api/{thief.name}/chat", json=body).json()["data"]
    assert [each["provider"] for each in data["fallbacks"]] == ["work"]
    assert "Bearer stolen" not in place.keys
    # The control: whose it is still has it.
    assert admin.http.post(f"{PATH}/{one}/test").json()["connected"]
    assert "Bearer stolen" in place.keys


def test_who_is_no_admin_any_more_leads_nothing_inwards(
    admin: Person, person: MakePerson, place: Place
) -> None:
    one = f"{PATH}/{configure(admin, 'inner', place.url)}"
    former = person(name=admin.name)
    for change in (
        {"base_url": f"{place.url}/other"},
        {"kind": "ollama"},
        {"base_url": "http://127.0.0.2/v1"},
    ):
        assert code_of(former.http.patch(one, json=change)) == (422, "provider_invalid")
    assert former.http.patch(one, json={"priority": 3}).status_code == 200
    assert former.http.post(f"{one}/test").json()["connected"]


def test_a_change_holds_for_turns_of_other_replicas(servers: list[str]) -> None:
    first, second = servers
    with placed(Place()) as place, someone(first) as bob:
        admin_body = {"name": "work", "base_url": place.url}
        assert bob.http.post(PATH, json=admin_body).status_code == 422
        body = {"name": "work", "base_url": "https://no-such-name.invalid/v1", "model": "m", "retries": 0}
        one = f"{PATH}/{bob.http.post(PATH, json=body).json()['id']}"
        bob.http.base_url = second
        assert bob.http.get("/api/v1/models/work/status").json()["available"] is False
        bob.http.base_url = first
        assert bob.http.patch(one, json={"enabled": False}).status_code == 200
        bob.http.base_url = second
        while bob.http.get("/api/v1/models/work/status").status_code == 200:
            pass
        message = {"message": "Hello", "provider": "work"}
        data = bob.http.post(f"/api/{bob.user['user_id']}/chat", json=message).json()["data"]
        assert [each["code"] for each in data["fallbacks"]] == ["no_provider"]


@contextmanager
def locked(database_url: str) -> Generator[psycopg.Connection]:
    """Nobody can read what is configured meanwhile."""
    with psycopg.connect(database_url.replace("+psycopg", "")) as holding:
        holding.execute("LOCK TABLE provider_configs IN ACCESS EXCLUSIVE MODE")
        yield holding


def wait_for_reader(holding: psycopg.Connection) -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'provider_configs'::regclass AND NOT granted"
    deadline = time.monotonic() + 30
    while holding.execute(waiting).fetchall() == [(0,)]:
        assert time.monotonic() < deadline, "nobody is about to read what is configured"


def test_a_turn_reads_nothing_of_what_has_not_changed(api_database: str, alice: Person) -> None:
    alice.say("Hello")
    alice.http.timeout = 10
    with locked(api_database):
        for _ in range(3):
            alice.say("Hello")


@pytest.mark.parametrize("leaves", [False, True])
async def test_who_comes_while_the_providers_are_read_waits_for_them(
    api_database: str, admin: Person, *, leaves: bool
) -> None:
    provider_id = configure(admin, "work", PUBLIC)
    [(owner,)] = execute(api_database, "SELECT user_id FROM provider_configs WHERE id = %s", provider_id)
    async with open_db(api_database) as db:
        registry = Registry(db, Addresses.of(()))
        with locked(api_database) as holding:
            first = asyncio.create_task(registry.of(owner))
            await asyncio.to_thread(wait_for_reader, holding)
            others = [asyncio.create_task(registry.of(owner)) for _ in range(3)]
            if leaves:
                first.cancel()
                await asyncio.wait([first])
                await asyncio.to_thread(wait_for_reader, holding)
        found = await asyncio.gather(*others, *([] if leaves else [first]), registry.of(owner))
    assert {tuple(provider.name for provider in each) for each in found} == {("work",)}
