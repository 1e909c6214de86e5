"""Headers of requests and answers: ids, and which web pages may call."""

from uuid import UUID

import pytest

from tests.chat_api.conftest import MakePerson
from tests.chat_api.replica import Gate, execute, in_thread, running_api
from tests.model_server import ModelServer, say
from tests.servers import Person

LIVE = "/api/v1/health/live"
OURS = "https://app.example"


@pytest.mark.parametrize("given", ["a", "A-z.0_9", "x" * 128, "01a1fdd7-5913-772c-b753-e34b908b44da"])
def test_a_sane_request_id_is_taken(alice: Person, given: str) -> None:
    response = alice.http.get("/api/nothing", headers={"X-Request-ID": given})
    assert response.headers["X-Request-ID"] == given
    assert response.json()["error"]["request_id"] == given


@pytest.mark.parametrize(
    "given", ["", "a b", "x" * 129, "a\tb", "<script>", "a/b", "${jndi:x}", "Gr\xf6\xdfe"]
)
def test_any_other_is_replaced(alice: Person, given: str) -> None:
    response = alice.http.get("/api/nothing", headers=[(b"X-Request-ID", given.encode("latin-1"))])
    assert UUID(response.headers["X-Request-ID"]).version == 7
    assert response.json()["error"]["request_id"] == response.headers["X-Request-ID"]


def test_each_request_has_an_id_of_its_own(alice: Person) -> None:
    assert len({alice.http.get(LIVE).headers["X-Request-ID"] for _ in range(5)}) == 5


@pytest.mark.parametrize("path", ["/api/v1/agents/", "/api/agents/", f"{LIVE}/", "/api/ann/chat/"])
def test_a_path_with_one_slash_more_is_none(alice: Person, path: str) -> None:
    answer = alice.http.get(path, headers={"Host": "evil.example"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert "Location" not in answer.headers


def test_only_the_origins_that_are_named_may_call(
    api_database: str, model: ModelServer, person: MakePerson
) -> None:
    with running_api(api_database, model.url, allowed_origins=f"{OURS}, http://localhost:3000") as url:
        http = person(url).http
        for origin in (OURS, "http://localhost:3000"):
            assert http.get(LIVE, headers={"Origin": origin}).headers["Access-Control-Allow-Origin"] == origin
            preflight = http.options(
                "/api/alice/chat",
                headers={
                    "Origin": origin,
                    "Access-Control-Request-Method": "POST",
                    "Access-Control-Request-Headers": "authorization, content-type",
                },
            )
            assert (preflight.status_code, preflight.headers["Access-Control-Allow-Origin"]) == (200, origin)
            refused = http.get("/api/nothing", headers={"Origin": origin})
            assert refused.headers["Access-Control-Allow-Origin"] == origin
            assert "X-Request-ID" in refused.headers["Access-Control-Expose-Headers"]
        for origin in ("https://evil.example", f"{OURS}.evil.example", "null", OURS.upper(), f"{OURS}:444"):
            answer = http.get(LIVE, headers={"Origin": origin})
            assert "Access-Control-Allow-Origin" not in answer.headers
            preflight = http.options(
                "/api/alice/chat", headers={"Origin": origin, "Access-Control-Request-Method": "POST"}
            )
            assert preflight.status_code == 400
            assert "Access-Control-Allow-Origin" not in preflight.headers


def test_a_page_can_read_why_its_request_was_ended(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    gate = Gate()
    model.answers(gate.before(say("Never.")))
    with running_api(database_url, model.url, allowed_origins=OURS) as url:
        alice = person(url)
        alice.http.headers["Origin"] = OURS
        me = alice.http.get("/api/v1/auth/me").json()["id"]
        with in_thread(lambda: alice.post("Hello")) as waiting:
            gate.wait()
            execute(database_url, "UPDATE users SET disabled_at = now() WHERE id = CAST(%s AS uuid)", me)
            execute(database_url, "NOTIFY turnlog_access")
            ended = waiting.result()
            gate.open()
    assert (ended.status_code, ended.json()["error"]["code"]) == (401, "account_disabled")
    assert ended.headers["Access-Control-Allow-Origin"] == OURS


def test_no_origin_may_call_unless_one_is_named(alice: Person) -> None:
    answer = alice.http.get(LIVE, headers={"Origin": OURS})
    assert (answer.status_code, "Access-Control-Allow-Origin" in answer.headers) == (200, False)
