"""What the page tells other programs, taken at its word."""

import asyncio
import json
import os
import shlex
import subprocess
from collections.abc import Generator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from chat_api.main import create_app
from mcp_server.cli import app
from tests.chat_api.replica import fresh_database, in_thread, settings_for
from tests.model_server import ModelServer, serve
from tests.programs import free_port
from tests.web_ui.showing import showing
from web_ui.snippets import CLIENTS, NO_KEY

USER: Final = "ann o'hara"
PAGE: Final = """
from web_ui.connecting import show_connect
show_connect(api, login)
"""


@pytest.fixture(scope="module")
def known_api(postgres_url: str, template: str, scripted: ModelServer) -> Generator[str]:
    """One that clients know by the address that it has."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    with fresh_database(postgres_url, template) as database:
        settings = settings_for(database, scripted.url, public_url=url)
        with serve(create_app(settings), port) as served:
            assert served == url
            yield url


@pytest.fixture
def page(known_api: str, tmp_path: Path) -> Generator[AppTest]:
    with showing(known_api, tmp_path, USER, PAGE) as page:
        yield page


def told(page: AppTest, start: str) -> str:
    """The one text to be copied that begins so."""
    [found] = {str(each.value) for each in page.code if str(each.value).startswith(start)}
    return found


def entry(page: AppTest, tab: int, section: str = "mcpServers") -> dict[str, Any]:
    """What the last text in that tab would add to a client's configuration."""
    return json.loads(str(page.tabs[tab].code[-1].value))[section]["turnlog"]


async def use(url: str, headers: dict[str, str], title: str) -> list[bool]:
    """List the tools, and add a todo; whether each was refused."""
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False, timeout=30) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        listed = await client.call_tool("list_todos", {})
        return [
            listed.is_error or False,
            (await client.call_tool("add_todo", {"title": title})).is_error or False,
        ]


def test_what_the_page_shows_for_an_address_lets_an_mcp_client_in(page: AppTest) -> None:
    page.run()
    assert not page.exception
    before = entry(page, 4)
    assert before["headers"] == {"Authorization": f"Bearer {NO_KEY}"}
    # The control: without a key nobody gets in.
    refused = httpx2.post(before["url"], headers=before["headers"], json={}, trust_env=False)
    assert refused.status_code == HTTPStatus.UNAUTHORIZED
    page.button(key="make for MCP clients").click().run()
    shown = [entry(page, 2, "servers"), entry(page, 3), entry(page, 4)]
    assert shown == [shown[0]] * 3
    using = use(shown[0]["url"], shown[0]["headers"], "By the address")
    # In a thread of its own: this one may have the loop of a browser.
    with in_thread(lambda: asyncio.run(using)) as used:
        assert used.result() == [False, False]
    [key] = {each["headers"]["Authorization"].removeprefix("Bearer ") for each in shown}
    desktop, code = entry(page, 0), shlex.split(told(page, "claude mcp add"))
    assert desktop["env"] == {"AUTHORIZATION": f"Bearer {key}"}
    assert {shown[0]["url"], "Authorization:${AUTHORIZATION}"} <= {*desktop["args"]}
    assert code[-3:] == [shown[0]["url"], "--header", f"Authorization: Bearer {key}"]


def test_the_command_for_this_machine_writes_what_the_page_says(page: AppTest) -> None:
    page.run()
    for client in CLIENTS:
        _, *arguments = shlex.split(told(page, f"turnlog-mcp install {client}"))
        printed = CliRunner().invoke(app, [*arguments, "--print"])
        assert f'"TURNLOG_USER": "{USER}"' in printed.output
        if client == "claude-desktop":
            shown = json.loads(str(page.tabs[0].expander[0].code[0].value))
            written = json.loads(printed.output)
            for each in (shown, written):
                assert each["mcpServers"]["turnlog"].pop("command").endswith("/turnlog-mcp")
            assert shown == written


def test_the_request_for_programs_takes_a_turn(page: AppTest, model: ModelServer) -> None:
    page.run().button(key="make for programs").click().run()
    command = told(page, "curl -s ")
    environment = {**os.environ, "no_proxy": "*"}
    done = subprocess.run(
        ["bash", "-c", command], env=environment, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["data"]["response"] == "Hello."
