"""What the HTTP endpoint answers to what is no proper request, by raw HTTP in both protocol eras."""

import json
import socket
from collections.abc import Generator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from chat_api.main import create_app
from tests.chat_api.replica import fresh_database, settings_for
from tests.mcp_server.raw_http import (
    META,
    METHOD,
    MISMATCH,
    NEW,
    OLD,
    PARAMS,
    PARSE,
    REQUEST,
    VERSION,
    answer,
    error,
    headers_of,
    request,
    send,
)
from tests.model_server import serve
from tests.servers import mcp_token

ERAS = pytest.mark.parametrize("era", [OLD, NEW])


@pytest.fixture(scope="module")
def origin(postgres_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    folder: Path = tmp_path_factory.mktemp("data")
    with (
        fresh_database(postgres_url, template) as url,
        serve(create_app(settings_for(url, "http://127.0.0.1:1/v1", data_dir=folder))) as origin,
    ):
        yield origin


@pytest.fixture
def http(origin: str) -> Generator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {mcp_token('alice')}"}
    with httpx2.Client(base_url=origin, trust_env=False, timeout=30, headers=headers) as client:
        yield client


@ERAS
@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("tools/call", {"name": "SECRET", "arguments": {}}, PARAMS),
        ("tools/call", {"name": "calculator", "arguments": ["SECRET"]}, PARAMS),
        ("tools/call", {"arguments": {}}, PARAMS),
        ("prompts/get", {"name": "SECRET"}, PARAMS),
        ("prompts/list", {"cursor": "SECRET"}, PARAMS),
        ("no/such", {}, METHOD),
        ("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, METHOD),
    ],
)
def test_what_is_not_there_has_its_code(
    http: httpx2.Client, era: str, method: str, params: dict[str, Any], code: int
) -> None:
    response = send(http, era, request(era, method, **params))
    told = error(response)
    assert told["code"] == code
    assert "SECRET" not in response.text
    # Before 2026-07-28 an error of the protocol is an ordinary answer to HTTP.
    assert response.status_code == (200 if era == OLD else 404 if code == METHOD else 400)


@pytest.mark.parametrize(("era", "code", "status"), [(OLD, -32002, 200), (NEW, PARAMS, 400)])
def test_a_resource_that_is_not_there_is_named(http: httpx2.Client, era: str, code: int, status: int) -> None:
    response = send(http, era, request(era, "resources/read", uri="todo://no"))
    told = error(response)
    assert (told["code"], told["data"], response.status_code) == (code, {"uri": "todo://no"}, status)


@ERAS
@pytest.mark.parametrize(
    ("arguments", "words"),
    [({}, "needs `expression` to be text"), ({"x": "SECRET"}, "takes only these arguments: expression")],
)
def test_wrong_arguments_are_told_to_the_model(
    http: httpx2.Client, era: str, arguments: dict[str, Any], words: str
) -> None:
    response = send(http, era, request(era, "tools/call", name="calculator", arguments=arguments))
    assert response.status_code == 200
    result = answer(response)["result"]
    assert result["isError"]
    assert words in result["content"][0]["text"]
    assert "SECRET" not in response.text


@ERAS
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe{}",
        b"[" * 100_000,
        b'{"id": NaN}',
        b'{"a": "\\ud800"}',
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_no_json_is_a_parse_error(http: httpx2.Client, era: str, body: bytes) -> None:
    response = send(http, era, body)
    assert response.status_code == 400
    assert error(response, None)["code"] == PARSE


@ERAS
@pytest.mark.parametrize(
    "message",
    [
        [],
        17,
        None,
        {},
        [{"jsonrpc": "2.0", "id": 7, "method": "SECRET"}],
        {"jsonrpc": "2.0", "id": None, "method": "tools/list"},
        {"jsonrpc": "2.0", "id": 1.5, "method": "tools/list"},
        {"jsonrpc": "2.0", "id": True, "method": "tools/list"},
        {"jsonrpc": "2.0", "id": ["SECRET"], "method": "tools/list"},
        {"jsonrpc": "2.0", "method": 17},
        {"jsonrpc": "2.0", "result": {}},
    ],
)
def test_what_is_no_single_message_is_an_invalid_request(http: httpx2.Client, era: str, message: Any) -> None:
    response = send(http, era, message, Mcp_Method=None)
    assert response.status_code == 400
    assert error(response, None)["code"] == REQUEST
    assert "SECRET" not in response.text


@ERAS
@pytest.mark.parametrize(
    "wrong", [{"jsonrpc": "1.0"}, {"jsonrpc": None}, {"method": ["SECRET"]}, {"params": ["SECRET"]}]
)
def test_an_invalid_request_is_answered_under_its_id(
    http: httpx2.Client, era: str, wrong: dict[str, Any]
) -> None:
    message = request(era, "tools/list")
    response = send(http, era, json.dumps(message | wrong).encode())
    assert response.status_code == 400
    assert error(response)["code"] == REQUEST
    assert "SECRET" not in response.text


@ERAS
def test_a_notification_is_accepted_without_a_word(http: httpx2.Client, era: str) -> None:
    response = send(http, era, {"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert (response.status_code, response.content) == (202, b"")


@ERAS
@pytest.mark.parametrize(
    "kind", [None, "", "text/plain", "application/json-patch+json", "application/x-json"]
)
def test_a_body_of_another_type_is_refused(http: httpx2.Client, era: str, kind: str | None) -> None:
    response = send(http, era, request(era, "tools/list"), Content_Type=kind)
    assert response.status_code == 415
    assert error(response, None)["code"] == REQUEST


@ERAS
@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "Application/JSON", "application/json ;x=y"]
)
def test_the_type_may_have_parameters(http: httpx2.Client, era: str, kind: str) -> None:
    assert send(http, era, request(era, "tools/list"), Content_Type=kind).status_code == 200


@ERAS
@pytest.mark.parametrize("accepted", ["application/json", "text/event-stream", "text/html"])
def test_a_client_must_accept_both_kinds_of_answer(http: httpx2.Client, era: str, accepted: str) -> None:
    assert send(http, era, request(era, "tools/list"), Accept=accepted).status_code == 406


@ERAS
def test_too_large_a_body_is_refused(http: httpx2.Client, era: str) -> None:
    message = request(era, "tools/call", name="calculator", arguments={"expression": "1" * 4 * 1024 * 1024})
    assert send(http, era, message).status_code == 413


@ERAS
@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH", "HEAD"])
def test_only_post_is_allowed(http: httpx2.Client, era: str, method: str) -> None:
    response = http.request(method, "/mcp", headers=headers_of(era, None, Accept="text/event-stream"))
    assert response.status_code == 405
    assert response.headers["Allow"] == "POST"


def test_a_stranger_is_asked_for_a_token_first(origin: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert httpx2.request(method, f"{origin}/mcp", trust_env=False).status_code == 401


@pytest.mark.parametrize("version", ["1999-01-01", "2027-01-01", "x", ""])
def test_a_version_that_is_not_served_is_told_those_that_are(http: httpx2.Client, version: str) -> None:
    notification = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    for message, id_ in ((request(OLD, "tools/list"), 7), (notification, None)):
        response = send(http, OLD, message, MCP_Protocol_Version=version)
        told = error(response, id_)
        assert (response.status_code, told["code"]) == (400, VERSION)
        assert told["data"]["requested"] == version
        assert {OLD, NEW} <= set(told["data"]["supported"])


def test_an_unserved_version_in_header_and_body_is_told_those_that_are(http: httpx2.Client) -> None:
    message = request(NEW, "tools/list")
    message["params"]["_meta"] = META | {"io.modelcontextprotocol/protocolVersion": "2027-01-01"}
    response = send(http, NEW, message, MCP_Protocol_Version="2027-01-01")
    told = error(response)
    assert (response.status_code, told["code"]) == (400, VERSION)
    assert NEW in told["data"]["supported"]


def test_without_a_version_it_is_a_client_from_before_the_header(http: httpx2.Client) -> None:
    response = send(http, OLD, request(OLD, "ping"), MCP_Protocol_Version=None)
    assert answer(response)["result"] == {}


@pytest.mark.parametrize(
    "changed",
    [
        {"MCP_Protocol_Version": None},
        {"MCP_Protocol_Version": OLD},
        {"MCP_Protocol_Version": "1999-01-01"},
        {"Mcp_Method": None},
        {"Mcp_Method": "tools/list"},
        {"Mcp_Method": "TOOLS/CALL"},
        {"Mcp_Name": None},
        {"Mcp_Name": "add_todo"},
        {"Mcp_Name": "=?base64?YWRkX3RvZG8=?="},
        {"Mcp_Name": "=?base64?SGVs!!!bG8=?="},
    ],
)
def test_headers_that_do_not_fit_the_body_are_refused(
    http: httpx2.Client, changed: dict[str, str | None]
) -> None:
    message = request(NEW, "tools/call", name="calculator", arguments={"expression": "1 + 1"})
    response = send(http, NEW, message, **changed)
    assert response.status_code == 400
    assert error(response)["code"] == MISMATCH


@pytest.mark.parametrize("value", ["calculator  ", "  calculator\t", "=?base64?Y2FsY3VsYXRvcg==?="])
def test_a_headers_value_has_no_blanks_around_it(origin: str, value: str) -> None:
    """By a socket, as client libraries take the blanks away."""
    message = request(NEW, "tools/call", name="calculator", arguments={"expression": "1 + 1"})
    body = json.dumps(message).encode()
    headers = headers_of(NEW, message) | {
        "Authorization": f"Bearer {mcp_token('alice')}",
        "Host": "127.0.0.1",
        "Connection": "close",
        "Content-Length": str(len(body)),
        "Mcp-Name": value,
    }
    lines = ["POST /mcp HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    address = urlsplit(origin)
    with socket.create_connection((address.hostname, address.port or 80), timeout=30) as connection:
        connection.sendall("\r\n".join(lines).encode() + body)
        with connection.makefile("rb") as received:
            assert received.readline().split()[1] == b"200"


def test_no_news_are_promised(http: httpx2.Client) -> None:
    offered = answer(send(http, NEW, request(NEW, "server/discover")))["result"]["capabilities"]
    assert {"tools", "prompts", "resources"} <= offered.keys()
    assert not any(value for capability in offered.values() for value in capability.values())


@ERAS
def test_a_session_is_neither_given_nor_asked_for(http: httpx2.Client, era: str) -> None:
    response = send(http, era, request(era, "tools/list"), Mcp_Session_Id="abc", Last_Event_ID="17")
    assert response.status_code == 200
    assert "Mcp-Session-Id" not in response.headers
