"""What no proper client would send to ask for resources, prompts and completions, by raw HTTP."""

from collections.abc import Generator
from typing import Any

import httpx2
import pytest

from tests.mcp_server import raw_http
from tests.mcp_server.raw_http import NEW, OLD
from tests.servers import mcp_token

HALF = "\ud800"
FILE = {"type": "ref/resource", "uri": "file:///{+path}"}
TODO = {"type": "ref/resource", "uri": "todo://{id}"}

BY_NAME: tuple[tuple[str, dict[str, Any]], ...] = (
    ("resources/read", {"uri": f"file:///{HALF}"}),
    ("resources/read", {"uri": f"todo://{HALF}"}),
    ("resources/read", {"uri": None}),
    ("resources/read", {"uri": ["file:///a"]}),
    ("resources/read", {}),
    ("prompts/get", {"name": HALF}),
    ("prompts/get", {"name": "summarise_file", "arguments": {"path": HALF}}),
    ("prompts/get", {"name": "summarise_file", "arguments": {"path": 5}}),
    ("prompts/get", {"name": "summarise_file", "arguments": ["path"]}),
    ("prompts/get", {"name": "plan_my_day", "arguments": {"day": HALF}}),
)
NAMELESS: tuple[tuple[str, dict[str, Any]], ...] = (
    *((f"{what}/list", {"cursor": cursor}) for what in ("tools", "prompts") for cursor in (5, HALF, True)),
    *(("resources/list", {"cursor": cursor}) for cursor in (5, HALF, True)),
    ("completion/complete", {}),
    ("completion/complete", {"ref": {"type": "ref/none"}, "argument": {"name": "id", "value": ""}}),
    ("completion/complete", {"ref": TODO, "argument": {"name": "id", "value": None}}),
    ("completion/complete", {"ref": TODO, "argument": {"name": "id", "value": HALF}}),
    ("completion/complete", {"ref": FILE, "argument": {"name": "path", "value": HALF}}),
    (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": HALF}, "argument": {"name": "", "value": ""}},
    ),
)


@pytest.fixture
def http(api: str) -> Generator[httpx2.Client]:
    token = {"Authorization": f"Bearer {mcp_token('alice')}"}
    with httpx2.Client(base_url=api, trust_env=False, timeout=30, headers=token) as http:
        yield http


def test_it_is_answered_as_the_clients_error(http: httpx2.Client) -> None:
    asked = [(OLD, *each) for each in (*BY_NAME, *NAMELESS)] + [(NEW, *each) for each in NAMELESS]
    for era, method, params in asked:
        response = raw_http.send(http, era, raw_http.request(era, method, **params))
        assert response.status_code < 500, (era, method, params, response.text)
        told = raw_http.answer(response)
        code = told.get("error", {}).get("code")
        assert code in {raw_http.PARAMS, raw_http.PARSE, raw_http.REQUEST}, (era, method, params, told)
        assert "Traceback" not in response.text
