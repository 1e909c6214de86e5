"""Secrets of other MCP servers: they go to the server that they are for, and nowhere else."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from starlette.responses import Response

from tests.chat_api.conftest import MakePerson
from tests.chat_api.foreign import register, serving
from tests.chat_api.liar import lying, nonsense
from tests.chat_api.replica import execute, running_api
from tests.model_server import ModelServer, call, say
from tests.servers import Person

PATH = "/api/v1/mcp-servers"
KEY = "a long text that is hard to guess"


@pytest.fixture
def admin(person: MakePerson) -> Person:
    return person(roles=["admin"])


def canary() -> str:
    return f"canary{uuid4().hex}"


def test_a_secret_never_comes_back(
    api_database: str,
    admin: Person,
    person: MakePerson,
    model: ModelServer,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    secret, answers = canary(), list[str]()
    # Servers that fail in many ways, of which the log says something; one that sends the secret back.
    echo = nonsense(Response(secret, 500))
    with serving() as foreign, lying(everything=echo) as liar:
        one = f"{PATH}/{register(admin, foreign.url, auth='bearer', secret=secret)}"
        two = f"{PATH}/{register(admin, liar.url, 'liar', auth='header', header='X-Key', secret=secret)}"
        three = f"{PATH}/{register(admin, 'http://127.0.0.1:1/mcp', 'away', auth='bearer', secret=secret)}"
        for each in (one, two, three):
            answers += [admin.http.get(each).text, admin.http.post(f"{each}/test").text]
            answers += [admin.http.get(f"{each}/tools").text]
            answers += [admin.http.patch(each, json={"timeout_seconds": 9}).text]
            answers += [admin.http.patch(each, json={"secret": f"{secret}\n"}).text]
            answers += [admin.http.patch(each, json={"url": "https://example.org/"}).text]
        model.answers(call("library__search", title="Emma"), say("There."))
        answers += [admin.post("Find it").text, admin.http.get("/api/v1/tools").text]
        answers += [
            admin.http.post(PATH, json={"name": "library", "url": foreign.url, "secret": secret}).text
        ]
        assert {headers["authorization"] for headers in foreign.seen} == {f"Bearer {secret}"}
    answers += [admin.http.get(PATH).text]
    kept = str(execute(api_database, "SELECT mcp_servers::text, secret::text FROM mcp_servers"))
    written = "".join(capfd.readouterr()) + caplog.text + str(model.requests)
    assert '"has_secret":true' in answers[0]
    assert all(secret not in each for each in (*answers, kept, written))
    assert secret.encode().hex() not in kept
    assert "mcp_server_not_listed" in written


def test_a_secret_that_is_kept_as_it_is_would_be_seen(api_database: str, admin: Person) -> None:
    """The control of the test above: what is in the table is looked at."""
    secret = canary()
    server_id = register(admin, "https://example.com/mcp", auth="bearer", secret=canary())
    execute(api_database, "UPDATE mcp_servers SET secret = %s WHERE id = %s", secret.encode(), server_id)
    kept = str(execute(api_database, "SELECT mcp_servers::text FROM mcp_servers"))
    assert secret.encode().hex() in kept


def test_a_secret_does_not_follow_its_server_to_another_host(admin: Person) -> None:
    with serving() as first, serving() as second:
        one = f"{PATH}/{register(admin, first.url, auth='bearer', secret='s3cret')}"
        refused = admin.http.patch(one, json={"url": second.url})
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "mcp_server_secret_needed")
        same_host = admin.http.patch(one, json={"url": first.url + "?tenant=1"})
        assert same_host.json()["has_secret"]
        assert admin.http.post(f"{one}/test").json()["ok"]
        moved = admin.http.patch(one, json={"url": second.url, "secret": "another"})
        assert moved.json()["has_secret"]
        assert admin.http.post(f"{one}/test").json()["ok"]
    assert {headers["authorization"] for headers in first.seen} == {"Bearer s3cret"}
    assert {headers["authorization"] for headers in second.seen} == {"Bearer another"}


def test_a_secret_is_dropped_with_the_way_to_sign_in(admin: Person) -> None:
    with serving() as foreign:
        one = f"{PATH}/{register(admin, foreign.url, auth='bearer', secret='s3cret')}"
        assert not admin.http.patch(one, json={"auth": "none"}).json()["has_secret"]
        back = admin.http.patch(one, json={"auth": "bearer"})
        assert back.json()["error"]["details"][0]["field"] == "secret"


def test_a_secret_that_was_moved_in_the_database_opens_for_nobody(api_database: str, admin: Person) -> None:
    with serving() as foreign:
        mine = register(admin, foreign.url, auth="bearer", secret="s3cret")
        other = register(admin, foreign.url, "other", auth="bearer", secret="another")
        stolen = (
            "UPDATE mcp_servers SET secret = (SELECT secret FROM mcp_servers WHERE id = %s) WHERE id = %s"
        )
        execute(api_database, stolen, mine, other)
        tested = admin.http.post(f"{PATH}/{other}/test").json()
        assert (tested["ok"], tested["trouble"]) == (False, "secret_lost")
        assert admin.http.post(f"{PATH}/{mine}/test").json()["ok"]


def test_replicas_need_the_same_key(
    database_url: str, model: ModelServer, person: MakePerson, tmp_path: Path
) -> None:
    def trouble(url: str, server_id: str) -> Any:
        return person(url, name, roles=["admin"]).http.post(f"{PATH}/{server_id}/test").json()["trouble"]

    name = uuid4().hex
    with serving() as foreign:
        with running_api(database_url, model.url, data_dir=tmp_path / "a", provider_key_secret=KEY) as url:
            server_id = register(
                person(url, name, roles=["admin"]), foreign.url, auth="bearer", secret="s3cret"
            )
        with running_api(database_url, model.url, data_dir=tmp_path / "b", provider_key_secret=KEY) as url:
            assert trouble(url, server_id) is None
        with running_api(database_url, model.url, data_dir=tmp_path / "c") as url:
            assert trouble(url, server_id) == "secret_lost"


def test_a_server_that_can_keep_no_secrets_says_so(
    database_url: str, model: ModelServer, person: MakePerson, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with running_api(database_url, model.url, data_dir=tmp_path / "file", files_root=tmp_path) as url:
        admin = person(url, roles=["admin"])
        body = {"name": "library", "url": "https://example.com/mcp", "auth": "bearer", "secret": "s3cret"}
        refused = admin.http.post(PATH, json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "no_sealing_key")
