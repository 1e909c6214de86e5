"""Requests that nobody should send: a 4xx in the envelope, no echo, nothing written."""

import json
import socket
from collections.abc import Callable, Generator
from typing import Any, TypeAlias
from urllib.parse import urlsplit
from uuid import UUID

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.chat_api.conftest import MakePerson
from tests.chat_api.replica import execute, running_api
from tests.model_server import ModelServer
from tests.servers import Person, token_for

MARK = "zQ7echo"
LIMIT = 1024 * 1024
JSON = {"Content-Type": "application/json"}

Post: TypeAlias = Callable[..., httpx2.Response]


@pytest.fixture
def refused(alice: Person, api_database: str, model: ModelServer) -> Generator[Post]:
    """Post a body to the chat endpoint; it must be refused in the envelope, and leave no trace."""

    def post(content: Any, headers: dict[str, str] | None = None) -> httpx2.Response:
        response = alice.http.post(f"/api/{alice.name}/chat", content=content, headers=headers or JSON)
        assert_refused(response)
        return response

    before = rows(api_database)
    yield post
    assert rows(api_database) == before
    assert model.requests == []


def rows(database_url: str) -> list[tuple[Any, ...]]:
    tables = ("users", "conversations", "messages", "runs", "todos")
    counts = ", ".join(f"(SELECT count(*) FROM {table})" for table in tables)
    return execute(database_url, f"SELECT {counts}")


def assert_refused(response: httpx2.Response) -> None:
    assert 400 <= response.status_code < 500, response.text
    body = response.json()
    assert body.keys() == {"success", "data", "message", "error"}
    assert (body["success"], body["data"]) == (False, None)
    assert body["error"]["request_id"] == response.headers["X-Request-ID"]
    assert body["error"]["code"]
    assert body["message"].endswith(".")
    assert MARK not in response.text
    assert "Traceback" not in response.text


NOT_JSON: list[bytes] = [
    b"",
    b" ",
    MARK.encode(),
    b'{"message": "' + MARK.encode(),
    b'{"message": "zQ7echo",}',
    b"{'message': 'zQ7echo'}",
    b'{"message": "zQ7echo"} {}',
    b'{"message": "\xff\xfezQ7echo"}',
    b"\xff\xfe\x00",
    '{"message": "zQ7echo"}'.encode("utf-16"),
    '{"message": "zQ7echo"}'.encode("utf-16-le"),
    '{"message": "zQ7echo"}'.encode("utf-32-be"),
    '{"message": "zQ7echo\ud800"}'.encode("utf-8", "surrogatepass"),
    b"\x00" * 100,
    b'{"message": "a\nzQ7echo"}',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"message": ' + b"9" * 10_000 + b"}",
    b"message=zQ7echo",
]


@pytest.mark.parametrize("body", NOT_JSON, ids=range(len(NOT_JSON)))
def test_a_body_that_is_no_json_is_refused(refused: Post, body: bytes) -> None:
    assert refused(body).status_code in {400, 422}


WRONG: list[str] = [
    "null",
    "17",
    "[]",
    f'"{MARK}"',
    "{}",
    "NaN",
    '{"message": NaN}',
    '{"message": Infinity}',
    '{"message": null}',
    '{"message": 17}',
    '{"message": true}',
    f'{{"message": ["{MARK}"]}}',
    f'{{"message": {{"text": "{MARK}"}}}}',
    '{"message": ""}',
    '{"message": "  \\n\\t "}',
    f'{{"message": "{MARK}\\u0000"}}',
    f'{{"message": "{MARK}\\ud800"}}',
    f'{{"message": "\\udfff{MARK}"}}',
    json.dumps({"message": MARK + "x" * 100_000}),
    json.dumps({"message": MARK, "conversation_id": MARK}),
    json.dumps({"message": MARK, "conversation_id": 17}),
    json.dumps({"message": MARK, "conversation_id": ""}),
    json.dumps({"message": MARK, "conversation_id": "\x00"}),
    json.dumps({"message": MARK, "conversation_id": [str(UUID(int=0))]}),
    json.dumps({"message": MARK, "stream": "perhaps"}),
    json.dumps({"message": MARK, "if_busy": MARK}),
    json.dumps({"message": MARK, f"<{MARK}>": 1}),
    json.dumps({"message": MARK, "user_id": MARK}),
    json.dumps({"message": MARK, "\ud800": 1}),
    json.dumps({"message": MARK, "\x00": 1}),
    json.dumps({"message": MARK, MARK * 1000: 1}),
    f'{{"message": {"[" * 900}{"]" * 900}}}',
]


@pytest.mark.parametrize("body", WRONG, ids=range(len(WRONG)))
def test_json_that_is_no_message_is_refused(refused: Post, body: str) -> None:
    response = refused(body.encode())
    assert response.status_code == 422
    assert response.json()["error"]["code"] == "invalid_request"
    assert response.json()["error"]["details"]


def test_the_refusal_names_the_fields(refused: Post) -> None:
    body = {"message": "", "conversation_id": MARK, "mesage": MARK}
    details = refused(json.dumps(body).encode()).json()["error"]["details"]
    assert [detail["field"] for detail in details] == ["message", "conversation_id", "mesage"]


def test_too_large_a_body_is_refused_however_it_comes(refused: Post) -> None:
    body = json.dumps({"message": MARK, "x": "x" * LIMIT}).encode()
    assert refused(body).status_code == 413
    assert refused(iter([body[:1000], body[1000:]])).status_code == 413
    assert refused(b"[" * (LIMIT + 1)).json()["error"]["code"] == "too_large"


def test_a_length_that_is_a_lie_is_refused_at_once(api: str, alice: Person) -> None:
    head = (
        f"POST /api/{alice.name}/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n"
        f"Content-Type: application/json\r\nAuthorization: Bearer {token_for(alice.name)}\r\n\r\n{{"
    )
    with socket.create_connection(("127.0.0.1", urlsplit(api).port or 0), timeout=10) as client:
        client.sendall(head.encode())
        assert b" 413 " in client.recv(1000).split(b"\r\n")[0]


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/xml", "x"]
)
def test_another_kind_of_content_is_refused(refused: Post, kind: str) -> None:
    refused(json.dumps({"message": MARK}).encode(), {"Content-Type": kind})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: json.dumps(text).encode()))
def test_random_bodies_are_refused(refused: Post, body: bytes) -> None:
    refused(body)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.fixed_dictionaries(
        {"conversation_id": _json.filter(lambda value: value is not None)},
        optional={"message": _json, "stream": _json, "if_busy": _json, "x": _json},
    )
)
def test_random_fields_are_refused(refused: Post, body: dict[str, Any]) -> None:
    refused(json.dumps(body).encode())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(message=st.text(st.characters(exclude_characters="\x00"), min_size=1, max_size=50))
def test_any_text_is_a_message_and_kept_as_it_is(alice: Person, message: str) -> None:
    response = alice.http.post(
        f"/api/{alice.name}/chat", content=json.dumps({"message": message}).encode(), headers=JSON
    )
    if message.strip() and not any("\ud800" <= character <= "\udfff" for character in message):
        assert response.status_code == 200, response.text
        kept = alice.messages(response.json()["data"]["conversation_id"])
        assert kept[0]["content"] == message
    else:
        assert_refused(response)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/nothing", 404),
        ("POST", f"/api/{MARK}/{MARK}", 404),
        ("GET", "/api", 404),
        ("GET", "/api/", 404),
        ("GET", "/api/v1/talks", 404),
        ("GET", "/api/%00", 404),
        ("GET", "/api/v1/../../etc/passwd", 404),
        ("GET", "/api/%ff%fe", 404),
        ("GET", "/api/alice/chat", 405),
        ("DELETE", "/api/alice/chat", 405),
        ("POST", "/api/v1/health/live", 405),
        ("GET", f"/api/v1/conversations/{MARK}/messages", 422),
        ("GET", "/api/v1/conversations/%00/messages", 422),
    ],
)
def test_a_route_that_is_none_is_answered_in_the_envelope(
    alice: Person, method: str, path: str, status: int
) -> None:
    response = alice.http.request(method, path)
    assert response.status_code == status
    assert_refused(response)
    if status == 405:
        assert response.headers["Allow"]


def test_a_fault_of_ours_is_answered_in_the_envelope(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    with running_api(database_url, model.url) as url:
        alice = person(url)
        conversation_id = alice.say("Hello")["conversation_id"]
        execute(database_url, "ALTER TABLE messages RENAME TO elsewhere")
        response = alice.http.get(f"/api/v1/conversations/{conversation_id}/messages")
        execute(database_url, "ALTER TABLE elsewhere RENAME TO messages")
        assert (response.status_code, response.json()["error"]["code"]) == (500, "internal_error")
        assert response.json()["error"]["request_id"] == response.headers["X-Request-ID"]
        assert "messages" not in response.text
        assert len(alice.messages(conversation_id)) == 2
