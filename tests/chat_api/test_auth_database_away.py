"""Who may come in, while the database is away: nobody is sent off as if their token or key were wrong."""

from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from websockets.sync.client import connect

from tests.chat_api.accounts import AUTH, Someone, code_of, someone
from tests.chat_api.processes import free_port, tool_server_process
from tests.chat_api.replica import running_api
from tests.chat_api.sockets import Talk, address, closing
from tests.kit.postgres_server import Server, own_server
from tests.mcp_server.raw_http import NEW, request, send
from tests.model_server import ModelServer

AWAY = (503, "database_unavailable")


@pytest.fixture
def postgres(tmp_path: Path) -> Generator[Server]:
    with own_server(tmp_path) as server:
        yield server


def test_they_are_told_to_come_again(postgres: Server, model: ModelServer, tmp_path: Path) -> None:
    port = free_port()
    with ExitStack() as stack:
        url = stack.enter_context(
            running_api(postgres.url, model.url, data_dir=tmp_path / "data", registration="first")
        )
        stack.enter_context(tool_server_process(postgres.url, port))
        alice = stack.enter_context(someone(url))
        scopes = ["read", "write", "tools:read", "tools:write"]
        key = alice.http.post("/api/v1/api-keys", json={"name": "x", "scopes": scopes}).json()["key"]
        headers = {"Authorization": f"Bearer {key}"}
        here, there = (
            stack.enter_context(httpx2.Client(base_url=base, headers=headers, trust_env=False, timeout=30))
            for base in (url, f"http://127.0.0.1:{port}")
        )
        listing = request(NEW, "tools/list")
        postgres.stop()
        assert code_of(here.get(f"{AUTH}/me")) == AWAY
        assert [send(http, NEW, listing).status_code for http in (here, there)] == [503, 503]
        for answer in (alice.refresh(), alice.log_in(), alice.http.get(f"{AUTH}/me")):
            assert code_of(answer) == AWAY
        with connect(address(url), proxy=None, compression=None) as connection:
            talk = Talk(connection)
            talk.say("auth", token=key)
            assert closing(talk)[0] == 1013
        postgres.start()
        assert_back(alice, here, there)


def assert_back(alice: Someone, here: httpx2.Client, there: httpx2.Client) -> None:
    assert alice.refresh().status_code == 200
    assert here.get(f"{AUTH}/me").status_code == 200
    for http in (here, there):
        assert send(http, NEW, request(NEW, "tools/list")).status_code == 200
