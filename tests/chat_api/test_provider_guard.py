"""Where providers may be: what an ordinary user can make this server connect to."""

import socket
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import httpx2
import pytest

from chat_api.providers.outlets import Network, Outlets, open_outlets
from chat_api.providers.provider import Provider
from tests.chat_api.conftest import MakePerson
from tests.chat_api.providers import configure
from tests.chat_api.replica import running_api
from tests.mcp_server.inward import aimed_inwards
from tests.mcp_server.inward_spelled import spelled
from tests.servers import Person
from tests.web_server import Canary, listening_canary

CONNECT = "/api/v1/models/connect"


@pytest.fixture
def canary() -> Generator[Canary]:
    with listening_canary() as canary:
        yield canary


async def everything_is_loopback(host: str, _port: int) -> list[str]:
    """Numbers as the C library reads them; whatever else is a name, of somebody who means harm."""
    try:
        found = socket.getaddrinfo(host, 80, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except OSError:
        return ["127.0.0.1"]
    return [str(entry[4][0]) for entry in found]


async def reach(outlets: Outlets, url: str, place: Literal["public", "anywhere"]) -> None:
    """Ask whatever is at `url`, as turns, lists and tests of a provider do."""
    client = outlets.of(Provider("named", url, place=place))
    with suppress(httpx2.HTTPError):
        await client.get(url, timeout=5)


async def test_nothing_that_aims_inwards_is_reached(canary: Canary) -> None:
    asked = 0
    async with open_outlets(Network(everything_is_loopback)) as outlets:
        for address in {*aimed_inwards(canary.port), *spelled(canary.port)}:
            try:
                await reach(outlets, address.replace("http", "https", 1), "public")
                await reach(outlets, address, "public")
                asked += 1
            except (httpx2.InvalidURL, ValueError, KeyError):
                # The same is said of it when it is to be configured.
                continue
        assert (asked > 300, canary.heard) == (True, 0)
        # The control: the same without the guard.
        for host in ("127.0.0.1", "2130706433", "0x7f.1", "localhost", "[::ffff:127.0.0.1]"):
            await reach(outlets, f"http://{host}:{canary.port}/", "anywhere")
        assert canary.heard == 5


def test_an_ordinary_user_reaches_nothing_private(
    api_database: str,
    person: MakePerson,
    canary: Canary,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ask = socket.getaddrinfo

    def rebound(host: str, *arguments: Any, **options: Any) -> Any:
        return ask("127.0.0.1" if host.endswith("rebound.test") else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    inner = f"127.0.0.1:{canary.port}"
    operators = {"ollama_endpoint": f"http://{inner}", "data_dir": tmp_path}
    with running_api(api_database, None, **operators) as api:
        alice, admin = person(api), person(api, roles=["admin"])

        def connected(who: Person, endpoint: str, kind: str = "openai") -> Any:
            return who.http.post(CONNECT, json={"provider": kind, "endpoint": endpoint})

        refused = [f"http://{inner}", f"https://{inner}", f"https://[::ffff:127.0.0.1]:{canary.port}/v1"]
        for endpoint in (*refused, "http://example.com/v1"):
            found = connected(alice, endpoint)
            assert (found.status_code, found.json()["error"]["code"]) == (422, "provider_invalid")
            config = {"name": "inner", "base_url": endpoint}
            assert alice.http.post("/api/v1/providers", json=config).status_code == 422
        # Not the one that the settings name, but for its path or its kind.
        assert connected(alice, f"http://{inner}/v1/..", "lmstudio").status_code == 422
        assert connected(alice, f"http://{inner}/admin", "ollama").status_code == 422
        for name in ("https://rebound.test", "https://localhost", "https://no-such-name.invalid"):
            found = connected(alice, f"{name}:{canary.port}/v1").json()
            assert found["error"] == "There is no such address, or it may not be reached from here."
        configure(alice, "rebound", f"https://rebound.test:{canary.port}/v1", model="m", retries=0)
        body = {"message": "Hello", "provider": "rebound"}
        told = alice.http.post(f"/api/{alice.name}/chat", json=body).json()
        assert told["error"]["code"] == "provider_unreachable"
        assert canary.heard == 0
        # The controls: one that the settings name exactly, and what an admin names.
        connected(alice, f"http://{inner}/", "ollama")
        heard = canary.heard
        assert heard > 0
        connected(admin, f"http://rebound.test:{canary.port}/v1")
        assert canary.heard > heard
