"""Registering other MCP servers: what may be said of them, by whom, and who sees it."""

import time
from typing import Any
from uuid import uuid4

import pytest

from chat_api.tools.servers import server_line
from tests.chat_api.conftest import MakePerson
from tests.chat_api.foreign import ERAS, Era, register, serving, sharing
from tests.chat_api.liar import HANDSHAKE, error, hang, lying, nonsense, result, tool
from tests.chat_api.processes import free_port
from tests.chat_api.replica import in_thread
from tests.chat_api.test_tool_server import NO_TOOL_SERVER
from tests.servers import Person

PATH = "/api/v1/mcp-servers"
PUBLIC = "https://mcp.example.com/mcp"


@pytest.fixture
def admin(person: MakePerson) -> Person:
    return person(roles=["admin"])


def code(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def test_a_server_is_made_read_listed_changed_and_deleted(alice: Person) -> None:
    made = alice.http.post(PATH, json={"name": "library", "url": PUBLIC}).json()
    assert made["can_change"]
    assert not made["has_secret"]
    assert {"secret", "user_id", "anywhere"}.isdisjoint(made)
    one = f"{PATH}/{made['id']}"
    assert alice.http.get(one).json() == made
    assert alice.http.get(PATH).json()["servers"][-1] == made
    changed = alice.http.patch(one, json={"enabled": False, "timeout_seconds": 5}).json()
    assert (changed["name"], changed["enabled"], changed["timeout_seconds"]) == ("library", False, 5)
    assert changed["version"] == 2
    assert alice.http.delete(one).status_code == 200
    assert code(alice.http.get(one)) == (404, "mcp_server_not_found")


def test_pages_of_servers_lead_to_all_of_them(alice: Person) -> None:
    mine = [register(alice, PUBLIC, f"s{n}") for n in range(5)]
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = alice.http.get(PATH, params={"limit": "2", **cursor}).json()
        found += [each["id"] for each in page["servers"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert [each for each in found if each in mine] == mine


def test_somebody_elses_server_is_as_one_that_is_not_there(
    alice: Person, admin: Person, person: MakePerson
) -> None:
    server_id = register(alice, PUBLIC)
    for who in (admin, person()):
        for id_ in (server_id, uuid4()):
            one = f"{PATH}/{id_}"
            for response in (
                who.http.get(one),
                who.http.patch(one, json={"enabled": False}),
                who.http.delete(one),
                who.http.post(f"{one}/test"),
                who.http.get(f"{one}/tools"),
            ):
                assert code(response) == (404, "mcp_server_not_found")
        assert server_id not in [each["id"] for each in who.http.get(PATH).json()["servers"]]
    assert alice.http.get(f"{PATH}/{server_id}").status_code == 200


def test_a_shared_server_is_everybodys_to_use_and_the_admins_to_change(
    alice: Person, admin: Person, person: MakePerson
) -> None:
    url = "https://mcp.example.com/key-in-the-path/mcp?key=in-the-query"
    with sharing(admin, url, f"l{uuid4().hex[:8]}") as server_id:
        one = f"{PATH}/{server_id}"
        seen = alice.http.get(one)
        assert seen.json()["url"] == "https://mcp.example.com:443"
        assert "key" not in seen.text
        assert not seen.json()["can_change"]
        assert code(alice.http.patch(one, json={"enabled": False})) == (403, "admin_only")
        assert code(alice.http.delete(one)) == (403, "admin_only")
        other = person(roles=["admin"])
        assert other.http.get(one).json()["url"] == url
        assert other.http.patch(one, json={"enabled": False}).status_code == 200
    assert code(alice.http.post(PATH, json={"name": "x", "url": PUBLIC, "shared": True})) == (
        403,
        "admin_only",
    )


def test_names_are_taken_once(alice: Person, admin: Person) -> None:
    register(alice, PUBLIC)
    taken = {"name": "library", "url": PUBLIC}
    assert code(alice.http.post(PATH, json=taken)) == (409, "mcp_server_name_taken")
    name = f"l{uuid4().hex[:8]}"
    with sharing(admin, PUBLIC, name):
        assert code(admin.http.post(PATH, json={"name": name, "url": PUBLIC})) == (
            409,
            "mcp_server_name_taken",
        )
        own = alice.http.post(PATH, json={"name": name, "url": PUBLIC})
        assert code(own) == (409, "mcp_server_name_taken")


def test_a_server_keeps_its_name(alice: Person) -> None:
    """A rule about its tools would be about nothing any more."""
    one = f"{PATH}/{register(alice, PUBLIC)}"
    assert code(alice.http.patch(one, json={"name": "books"})) == (422, "invalid_request")
    assert alice.http.get(one).json()["name"] == "library"


def test_a_person_has_twenty_servers_at_most_also_all_at_once(alice: Person) -> None:
    for number in range(18):
        register(alice, PUBLIC, f"s{number}")

    def make(name: str) -> int:
        return alice.http.post(PATH, json={"name": name, "url": PUBLIC}).status_code

    with (
        in_thread(lambda: make("a")) as a,
        in_thread(lambda: make("b")) as b,
        in_thread(lambda: make("c")) as c,
    ):
        assert sorted([a.result(), b.result(), c.result()]) == [201, 201, 409]
    refused = alice.http.post(PATH, json={"name": "more", "url": PUBLIC})
    assert code(refused) == (409, "too_many_mcp_servers")


BAD: list[dict[str, Any]] = [
    {"name": "Library"},
    {"name": "my_library"},
    {"name": "1st"},
    {"name": ""},
    {"name": "l" * 33},
    {"name": "l\u0456brary"},
    {"name": "library\n"},
    {"url": ""},
    {"url": "https://example.com/\x00"},
    {"url": "https://example.com/" + "x" * 2_000},
    {"auth": "oauth"},
    {"header": "X Y", "auth": "header", "secret": "s"},
    {"header": "X:", "auth": "header", "secret": "s"},
    {"secret": "two\r\nlines", "auth": "bearer"},
    {"secret": " ", "auth": "bearer"},
    {"secret": "s\u00e9cret", "auth": "bearer"},
    {"secret": "", "auth": "bearer"},
    {"timeout_seconds": 0},
    {"timeout_seconds": 61},
    {"surprise": 1},
    {"user_id": "01a1fdba-283b-70dd-aeca-eb50dc327526"},
]


@pytest.mark.parametrize("settings", BAD, ids=str)
def test_what_makes_no_sense_is_refused(alice: Person, settings: dict[str, Any]) -> None:
    response = alice.http.post(PATH, json={"name": "library", "url": PUBLIC} | settings)
    assert code(response) == (422, "invalid_request")
    assert "s\u00e9cret" not in response.text
    made = register(alice, PUBLIC)
    assert code(alice.http.patch(f"{PATH}/{made}", json=settings)) == (422, "invalid_request")


UNFIT: list[tuple[str, dict[str, Any]]] = [
    ("name", {"name": "custom"}),
    ("url", {"url": "example.com/mcp"}),
    ("url", {"url": "ftp://example.com/mcp"}),
    ("url", {"url": "https://user:password@example.com/mcp"}),
    ("url", {"url": "https://example.com/mcp#part"}),
    ("url", {"url": "https://example.com:99999/mcp"}),
    ("url", {"url": "https://[::1%25eth0]/mcp"}),
    ("header", {"auth": "header", "secret": "s"}),
    ("header", {"auth": "header", "secret": "s", "header": "Host"}),
    ("header", {"auth": "header", "secret": "s", "header": "content-length"}),
    ("header", {"auth": "header", "secret": "s", "header": "MCP-Session-Id"}),
    ("header", {"auth": "bearer", "secret": "s", "header": "X-Key"}),
    ("secret", {"auth": "bearer"}),
    ("secret", {"secret": "s"}),
    ("secret", {"auth": "user", "secret": "s"}),
    ("audience", {"audience": "library"}),
    ("audience", {"auth": "user", "audience": "turnlog"}),
    ("audience", {"auth": "user", "audience": "turnlog-mcp"}),
]


@pytest.mark.parametrize(("field", "settings"), UNFIT, ids=str)
def test_what_does_not_fit_together_is_named(admin: Person, field: str, settings: dict[str, Any]) -> None:
    response = admin.http.post(PATH, json={"name": "library", "url": PUBLIC} | settings)
    assert code(response) == (422, "mcp_server_invalid")
    assert [each["field"] for each in response.json()["error"]["details"]] == [field]
    made = register(admin, PUBLIC)
    again = admin.http.patch(f"{PATH}/{made}", json=settings)
    assert code(again) == (422, "invalid_request" if field == "name" else "mcp_server_invalid")


def test_only_an_admin_says_whom_a_token_is_meant_for(alice: Person) -> None:
    chosen = {"name": "library", "url": PUBLIC, "auth": "user", "audience": "billing"}
    assert code(alice.http.post(PATH, json=chosen)) == (403, "admin_only")
    made = register(alice, PUBLIC, auth="user")
    assert code(alice.http.patch(f"{PATH}/{made}", json={"audience": "billing"})) == (403, "admin_only")


@pytest.mark.parametrize("era", ERAS)
def test_a_server_that_answers_passes_its_test(admin: Person, era: Era) -> None:
    with serving(era=era) as foreign:
        one = f"{PATH}/{register(admin, foreign.url)}"
        tested = admin.http.post(f"{one}/test").json()
        tools = admin.http.get(f"{one}/tools").json()["tools"]
    assert tested["ok"]
    assert tested["protocol_version"] == ("2026-07-28" if era != "legacy" else "2025-11-25")
    assert (tested["server_name"], tested["server_version"]) == ("library", "7")
    assert tested["tools"] == len(tools) == 4
    assert tested["latency_ms"] > 0
    search = next(each for each in tools if each["remote_name"] == "search")
    assert (search["name"], search["description"]) == ("library__search", "Find a book.")
    assert search["parameters"]["required"] == ["title"]


TROUBLE = {
    "401": "refused",
    "403": "refused",
    "a redirect": "redirected",
    "404": "not_mcp",
    "html": "not_mcp",
}


@pytest.mark.parametrize("name", TROUBLE)
def test_a_server_that_fails_its_test_is_told_why(admin: Person, name: str) -> None:
    with lying(everything=nonsense(NO_TOOL_SERVER[name])) as liar:
        one = f"{PATH}/{register(admin, liar.url)}"
        tested = admin.http.post(f"{one}/test").json()
        listed = admin.http.get(f"{one}/tools")
    assert (tested["ok"], tested["trouble"]) == (False, TROUBLE[name])
    assert tested["message"]
    assert code(listed) == (502, "mcp_server_failed")
    assert listed.json()["error"]["details"] == {"trouble": TROUBLE[name]}


@pytest.mark.parametrize("silent", ["everything", "initialize", "list"])
def test_a_server_that_hangs_fails_its_test_in_time_and_passes_it_when_it_is_back(
    admin: Person, monkeypatch: pytest.MonkeyPatch, silent: str
) -> None:
    monkeypatch.setattr(server_line, "_OPEN_SECONDS", 1.0)
    monkeypatch.setattr(server_line, "_LIST_SECONDS", 1.0)
    before = error(-32601, "No such method")
    answers = {"discover": before, "initialize": HANDSHAKE} if silent == "initialize" else {}
    with lying(**answers | {silent: hang}) as liar:
        one = f"{PATH}/{register(admin, liar.url)}"
        began = time.monotonic()
        tested = admin.http.post(f"{one}/test").json()
        assert (tested["ok"], tested["trouble"]) == (False, "timed_out")
        assert time.monotonic() - began < 5
        liar.answers = {
            "server/discover": before,
            "initialize": HANDSHAKE,
            "tools/list": result(tools=[tool()]),
        }
        assert admin.http.post(f"{one}/test").json()["ok"]


def test_a_server_that_is_not_there_is_unreachable(admin: Person) -> None:
    one = f"{PATH}/{register(admin, f'http://127.0.0.1:{free_port()}/mcp')}"
    tested = admin.http.post(f"{one}/test").json()
    assert (tested["ok"], tested["trouble"]) == (False, "unreachable")


def test_a_change_to_a_version_that_is_not_the_newest_is_refused(alice: Person) -> None:
    one = f"{PATH}/{register(alice, PUBLIC)}"
    etag = alice.http.get(one).headers["ETag"]
    changed = alice.http.patch(one, json={"enabled": False}, headers={"If-Match": etag})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    late = alice.http.patch(one, json={"enabled": True}, headers={"If-Match": etag})
    assert code(late) == (412, "mcp_server_changed")
    assert not alice.http.get(one).json()["enabled"]
