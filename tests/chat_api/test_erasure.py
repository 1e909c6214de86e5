"""All that somebody has goes with them where they want it, and nothing is left where they do not."""

import json
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from chat_api.auth.system import SYSTEM
from tests.chat_api.accounts import AUTH, PASSWORD, Someone, code_of, register, someone
from tests.chat_api.conftest import MakePerson
from tests.chat_api.replica import Gate, execute, in_thread, running_api
from tests.chat_api.rows import all_rows, of, tables_of_people
from tests.model_server import ModelServer, call, say

ME = f"{AUTH}/me"
TOOL = """
    INSERT INTO custom_tools
    SELECT gen_random_uuid(), 'greet', 'greet', 1, true, CAST(%s AS uuid), now(), now()
"""
SECRET = "a-secret-that-is-sealed"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def servers(database: str, shared_model: ModelServer, files: Path) -> Generator[list[str]]:
    settings: dict[str, Any] = {
        "registration": "open",
        "files_root": files,
        "data_dir": files,
        "rate_limit_enabled": True,
        "rate_limit_auth": "1000/minute",
    }
    with (
        running_api(database, shared_model.url, **settings) as first,
        running_api(database, shared_model.url, **settings) as second,
    ):
        yield [first, second]


def post(http: httpx2.Client, path: str, **body: Any) -> Any:
    answer = http.post(f"/api/v1/{path}", json=body)
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()


def furnish(http: httpx2.Client, name: str, model: ModelServer, word: str) -> str:
    """Have somebody use all that there is, with this word in all that they say; return their key."""
    todo = call("add_todo", title=word, notes=word, tags=[word])
    file = call("write_file", path=f"{word}.txt", content=word)
    model.answers(todo, file, say(f"{word}!"))
    turn = http.post(f"/api/{name}/chat", json={"message": word})
    assert turn.status_code == 200, turn.text
    model.script = lambda _: say("Hello.")
    gone = http.post(f"/api/{name}/chat", json={"message": word}).json()["data"]["conversation_id"]
    assert http.delete(f"/api/v1/conversations/{gone}", params={"hard_delete": True}).is_success
    conversation = turn.json()["data"]["conversation_id"]
    agent = post(http, "agents", name=word, system_prompt=word, metadata={"about": word})["agent_id"]
    http.patch(f"/api/v1/agents/{agent}", json={"system_prompt": f"{word}, again"})
    post(http, "mcp-servers", name="mine", url=f"https://{word}.example.com/", auth="bearer", secret=SECRET)
    post(http, "providers", name="mine", base_url=f"https://{word}.example.com/v1", api_key=SECRET)
    answer = http.get(f"/api/v1/conversations/{conversation}/messages").json()["messages"][1]["id"]
    rated = {"rating": "up", "comment": word}
    assert http.put(f"/api/v1/conversations/{conversation}/messages/{answer}/feedback", json=rated).is_success
    return post(http, "api-keys", name=word)["key"]


def share(giver: Someone, taker: Someone) -> None:
    agent = post(giver.http, "agents", name="Ours", system_prompt="Be brief.")["agent_id"]
    path = f"/api/v1/agents/{agent}/shares/{taker.user['user_id']}"
    assert giver.http.put(path, json={"right": "use"}).is_success


def erase(http: httpx2.Client, user_id: str, password: str | None = None) -> httpx2.Response:
    body = {"user_id": user_id} | ({} if password is None else {"password": password})
    return http.request("DELETE", ME, json=body)


def test_nothing_is_left_of_who_is_erased(
    root: Someone, servers: list[str], database: str, model: ModelServer, files: Path
) -> None:
    with someone(servers[0]) as alice, someone(servers[0]) as bob:
        word, others = (f"canary{uuid4().hex[:12]}" for _ in range(2))
        key = furnish(alice.http, alice.user["user_id"], model, word)
        furnish(bob.http, bob.user["user_id"], model, others)
        share(bob, alice)
        execute(database, TOOL, alice.user["id"])
        about_alice = (alice.user["id"], alice.user["user_id"], alice.email, word)
        before = all_rows(database)
        # Whatever table there is for people, she has something in it; and what is looked for is found.
        assert set(of(before, *about_alice)) >= tables_of_people(database) | {"rate_limits", "custom_tools"}
        assert (files / alice.user["id"] / f"{word}.txt").exists()

        refused = erase(alice.http, alice.user["user_id"], "not the password")
        assert code_of(refused) == (401, "wrong_credentials")
        answer = erase(alice.http, alice.user["user_id"], PASSWORD)
        assert answer.status_code == 200, answer.text

        after = all_rows(database)
        assert set(of(after, *about_alice)) == {"erased_users"}
        assert [row.count(",") for row in of(after, *about_alice)["erased_users"]] == [2]
        assert not (files / alice.user["id"]).exists()
        assert of(after, others, bob.user["id"]) == of(before, others, bob.user["id"])
        assert (files / bob.user["id"] / f"{others}.txt").exists()

        assert code_of(alice.http.get(ME))[0] == 401
        assert alice.refresh().status_code == 401
        assert alice.log_in().status_code == 401
        with httpx2.Client(headers={"Authorization": f"Bearer {key}"}, trust_env=False) as by_key:
            assert [by_key.get(f"{server}{ME}").status_code for server in servers] == [401, 401]
        assert register(bob.http, alice.email).status_code == 202
        assert alice.log_in().status_code == 200
        assert alice.http.get("/api/v1/conversations").json()["conversations"] == []


def test_all_that_somebody_has_is_exported_without_secrets(
    root: Someone, servers: list[str], database: str, model: ModelServer
) -> None:
    with someone(servers[0]) as alice, someone(servers[0]) as bob:
        word, others = (f"canary{uuid4().hex[:12]}" for _ in range(2))
        key = furnish(alice.http, alice.user["user_id"], model, word)
        furnish(bob.http, bob.user["user_id"], model, others)
        share(bob, alice)
        export = alice.http.get(f"{ME}/export")
    first, *lines, last = map(json.loads, export.text.splitlines())
    assert export.headers["Content-Type"] == "application/x-ndjson"
    assert (first["type"], first["data"]["id"]) == ("export", alice.user["id"])
    assert last == {"type": "end", "data": {"lines": len(lines)}}
    assert {line["type"] for line in lines} == tables_of_people(database) | {"files"}
    for kind in ("todos", "messages", "events", "agents", "agent_versions", "api_keys", "files", "runs"):
        assert any(line["type"] == kind and (kind == "runs" or word in json.dumps(line)) for line in lines)
    hashes = execute(database, "SELECT password_hash FROM users WHERE id = %s", alice.user["id"])
    for secret in (others, key, SECRET, PASSWORD, str(hashes[0][0]), alice.refresh_token):
        assert secret not in export.text


def test_turns_that_are_under_way_end(
    root: Someone, servers: list[str], database: str, model: ModelServer
) -> None:
    gate = Gate()
    with someone(servers[0]) as alice, someone(servers[1]) as elsewhere:
        elsewhere.http.headers["Authorization"] = alice.http.headers["Authorization"]
        model.answers(gate.before(call("add_todo", title="Too late")))
        with in_thread(
            lambda: elsewhere.http.post(f"/api/{alice.user['user_id']}/chat", json={"message": "Hm"})
        ):
            gate.wait()
            assert root.http.delete(f"/api/v1/users/{alice.user['id']}").status_code == 200
            gate.open()
        assert set(of(all_rows(database), alice.user["id"])) == {"erased_users"}
        assert root.http.delete(f"/api/v1/users/{alice.user['id']}").status_code == 404


def test_who_has_no_password_needs_a_fresh_token(
    root: Someone, servers: list[str], database: str, person: MakePerson
) -> None:
    name, now = f"person-{uuid4().hex[:8]}", int(time.time())
    stale, fresh = person(servers[0], name, iat=now - 400), person(servers[0], name)
    stale.say("Hello")
    owner = stale.http.get(ME).json()["id"]
    assert code_of(erase(stale.http, name)) == (403, "fresh_token_needed")
    assert code_of(erase(fresh.http, "somebody-else")) == (403, "forbidden")
    assert erase(fresh.http, name).status_code == 200
    assert set(of(all_rows(database), owner)) == {"erased_users"}
    assert of(all_rows(database), name) == {}
    # Another issuer vouches for them: they are somebody new.
    assert fresh.http.get("/api/v1/conversations").json()["conversations"] == []
    assert fresh.say("Hello")["response"]


def test_who_was_disabled_elsewhere_too_stays_out(
    root: Someone, servers: list[str], database: str, person: MakePerson
) -> None:
    bob = person(servers[0], f"person-{uuid4().hex[:8]}")
    bob.say("Hello")
    account = bob.http.get(ME).json()["id"]
    path = f"/api/v1/users/{account}"
    assert root.http.post(f"{path}/disable").status_code == 200
    before = root.http.get(path).json()
    for _ in range(2):
        assert root.http.delete(path).json()["message"] == "The user is erased, and stays disabled."
        assert code_of(bob.http.get(ME)) == (401, "account_disabled")
        assert set(of(all_rows(database), account, bob.name)) == {"erased_users", "users"}
        assert root.http.get(path).json() == before
    assert root.http.post(f"{path}/enable").status_code == 200
    assert root.http.delete(path).json()["message"] == "The user is erased."
    assert of(all_rows(database), bob.name) == {}
    assert bob.say("Hello")["response"]


def test_files_that_could_not_be_removed_are_at_the_repeat(
    root: Someone, servers: list[str], files: Path
) -> None:
    with someone(servers[0]) as alice:
        path, folder = f"/api/v1/users/{alice.user['id']}", files / alice.user["id"]
        # It is no folder, so that it cannot be removed as one.
        folder.write_text("in the way")
        assert root.http.delete(path).status_code == 500
        assert root.http.get(path).status_code == 200
        folder.unlink()
        assert root.http.delete(path).status_code == 200
        folder.mkdir()
        (folder / "late.txt").write_text("Late")
        assert code_of(root.http.delete(path)) == (404, "user_not_found")
        assert not folder.exists()


def test_what_everybody_uses_is_not_erased_with_whose_it_is(
    root: Someone, servers: list[str], person: MakePerson
) -> None:
    admin = person(servers[0], roles=["admin"])
    http, name = admin.http, f"house-{uuid4().hex[:8]}"
    agent = f"/api/v1/agents/{post(http, 'agents', name=name, system_prompt='Hm.')['agent_id']}"
    http.put(f"{agent}/shares/everyone", json={"right": "use"})
    url = "https://house.example.com"
    server = post(http, "mcp-servers", name=name, url=url, shared=True)["id"]
    provider = post(http, "providers", name=name, base_url=f"{url}/v1", shared=True)["id"]
    account = http.get(ME).json()["id"]
    takers = {
        f"{agent}/shares/everyone": "agent",
        f"/api/v1/mcp-servers/{server}": "mcp_server",
        f"/api/v1/providers/{provider}": "provider",
    }
    left = [{"kind": kind, "name": name} for kind in takers.values()]
    for path in takers:
        for refused in (erase(http, admin.name), root.http.delete(f"/api/v1/users/{account}")):
            assert code_of(refused) == (409, "still_shared")
            assert refused.json()["error"]["details"] == {"shared": left}
        assert http.delete(path).is_success
        left = left[1:]
    assert erase(http, admin.name).status_code == 200


def test_who_may_not_be_erased(root: Someone, servers: list[str], person: MakePerson) -> None:
    assert code_of(erase(root.http, root.user["user_id"], PASSWORD)) == (409, "last_admin")
    assert root.http.get(ME).status_code == 200
    with someone(servers[0]) as alice:
        key = post(alice.http, "api-keys", name="All", scopes=["read", "write"])["key"]
        with httpx2.Client(base_url=servers[0], headers={"Authorization": f"Bearer {key}"}) as by_key:
            refused = erase(by_key, alice.user["user_id"], PASSWORD)
            assert code_of(refused) == (403, "login_needed")
        refused = alice.http.delete(f"/api/v1/users/{root.user['id']}")
        assert code_of(refused) == (403, "admin_only")
    admin = person(servers[0], roles=["admin"])
    # What comes with the server is nobody's to erase.
    assert admin.http.delete(f"/api/v1/users/{SYSTEM}").status_code == 404
