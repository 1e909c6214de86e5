"""Where other MCP servers may be: what an ordinary user can make this server connect to."""

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from chat_api.tools.servers import others, probing
from chat_api.tools.servers.exchange import CURRENT, Exchange, GuardedTransport, Network
from tests.chat_api.conftest import MakePerson
from tests.chat_api.foreign import register, serving
from tests.chat_api.replica import execute
from tests.mcp_server.inward import aimed_inwards
from tests.mcp_server.inward_spelled import spelled
from tests.model_server import ModelServer, call, say
from tests.servers import Person
from tests.web_server import Canary, certificate, listening_canary

PATH = "/api/v1/mcp-servers"
PUBLIC = "93.184.216.34"


@pytest.fixture
def canary() -> Generator[Canary]:
    with listening_canary() as canary:
        yield canary


async def everything_is_loopback(host: str, _port: int) -> Sequence[str]:
    """Numbers as the C library reads them; whatever else is a name, of somebody who means harm."""
    try:
        found = socket.getaddrinfo(host, 80, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except OSError:
        return ["127.0.0.1"]
    return [str(entry[4][0]) for entry in found]


async def send(url: str, network: Network, *, anywhere: bool = False) -> tuple[int, Exchange]:
    """Ask whatever is at `url`, as the client of an MCP server does."""
    exchange = Exchange(1_000)
    before = CURRENT.set(exchange)
    try:
        async with httpx2.AsyncClient(transport=GuardedTransport(network, anywhere=anywhere)) as client:
            return (await client.post(url, content=b"{}")).status_code, exchange
    finally:
        CURRENT.reset(before)


async def test_nothing_that_aims_inwards_reaches_the_canary(canary: Canary) -> None:
    asked = 0
    for address in {*aimed_inwards(canary.port), *spelled(canary.port)}:
        for scheme in ("http", "https"):
            try:
                url = httpx2.URL(address.replace("http", scheme, 1))
                status, exchange = await send(str(url), Network(everything_is_loopback))
            except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, ValueError, KeyError):
                # The same is said of it when it is to be registered.
                continue
            asked += 1
            assert (status, exchange.trouble) == (502, "unreachable")
    assert asked > 500
    assert canary.heard == 0


async def test_without_the_guard_the_canary_hears_the_same_addresses(canary: Canary) -> None:
    for host in ("127.0.0.1", "2130706433", "0x7f.1", "127.1", "localhost", "[::ffff:127.0.0.1]"):
        await send(f"http://{host}:{canary.port}/", Network(everything_is_loopback), anywhere=True)
    assert canary.heard == 6


async def test_a_name_with_one_private_address_is_not_followed_to_any(canary: Canary) -> None:
    async def both(_host: str, _port: int) -> Sequence[str]:
        return [PUBLIC, "127.0.0.1"]

    status, exchange = await send(f"https://both.test:{canary.port}/", Network(both))
    assert (status, exchange.trouble, canary.heard) == (502, "unreachable", 0)


async def test_a_name_is_looked_at_each_time(canary: Canary) -> None:
    asked: list[str] = []

    async def rebinding(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return ["192.0.2.1"] if len(asked) == 1 else ["127.0.0.1"]

    for _ in range(3):
        status, _ = await send(f"https://rebinding.test:{canary.port}/", Network(rebinding))
        assert status == 502
    assert (asked, canary.heard) == (["rebinding.test"] * 3, 0)


async def test_an_admins_http_goes_nowhere_over_the_public_internet() -> None:
    async def public(_host: str, _port: int) -> Sequence[str]:
        return [PUBLIC]

    status, exchange = await send("http://public.test/", Network(public), anywhere=True)
    assert (status, exchange.trouble) == (502, "unreachable")


@asynccontextmanager
async def tls_server(folder: Path, name: str) -> AsyncGenerator[tuple[int, Network]]:
    """A server with a certificate for `name`; every name leads to it."""
    server_tls, client_tls = certificate(folder, name)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server_tls) as server:
        port: int = server.sockets[0].getsockname()[1]
        yield port, Network(everything_is_loopback, client_tls)


async def test_the_certificate_is_checked_for_the_name_not_for_the_pinned_address(tmp_path: Path) -> None:
    async with tls_server(tmp_path, "intranet.test") as (port, network):
        assert (await send(f"https://intranet.test:{port}/", network, anywhere=True))[0] == 200
        assert (await send(f"https://other.test:{port}/", network, anywhere=True))[0] == 502
        assert (await send(f"https://intranet.test:{port}/", network))[0] == 502


HOSTS = [
    *("127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1."),
    *("[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "0.0.0.0", "[::]"),
    *("10.0.0.1", "169.254.169.254", "[fe80::1]", "[fd00::1]", "100.64.0.1", "192.168.0.1"),
]


def test_what_an_ordinary_user_registers_reaches_nothing_private(alice: Person, canary: Canary) -> None:
    told: set[str] = set()
    for host in HOSTS:
        body = {"name": "inside", "url": f"https://{host}:{canary.port}/mcp"}
        made = alice.http.post(PATH, json=body)
        if made.status_code == 422:
            assert made.json()["error"]["code"] == "mcp_server_invalid"
            continue
        one = f"{PATH}/{made.json()['id']}"
        tested = alice.http.post(f"{one}/test").json()
        told.add(f"{tested['trouble']}: {tested['message']}")
        assert alice.http.delete(one).status_code == 200
    unknown = f"{PATH}/{register(alice, 'https://no-such-name.invalid/mcp')}"
    tested = alice.http.post(f"{unknown}/test").json()
    assert told == {f"{tested['trouble']}: {tested['message']}"}, "a private host is told from an unknown one"
    plain = {"name": "inside", "url": f"http://mcp.example.com:{canary.port}/mcp"}
    assert alice.http.post(PATH, json=plain).status_code == 422
    assert canary.heard == 0


def test_an_admin_may_name_a_server_on_a_private_network(person: MakePerson, canary: Canary) -> None:
    """The control: the same address, by somebody who may."""
    admin = person(roles=["admin"])
    one = f"{PATH}/{register(admin, f'http://127.0.0.1:{canary.port}/mcp')}"
    assert not admin.http.post(f"{one}/test").json()["ok"]
    assert canary.heard > 0


def test_what_an_admin_may_is_not_handed_on(api_database: str, person: MakePerson, canary: Canary) -> None:
    """Who is no admin any more can use the address that was named then, and no other one."""
    admin = person(roles=["admin"])
    server_id = register(admin, f"http://127.0.0.1:{canary.port}/mcp")
    former = person(name=admin.name)
    one = f"{PATH}/{server_id}"
    for change in (
        {"url": f"http://127.0.0.1:{canary.port}/other"},
        {"url": f"http://127.0.0.1:{canary.port}/mcp?admin=1"},
        {"url": "http://127.0.0.2/mcp"},
        {"auth": "header", "header": "X-Key", "secret": "x"},
        {"trusted": True},
    ):
        refused = former.http.patch(one, json=change)
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "mcp_server_invalid")
    assert former.http.patch(one, json={"enabled": False}).status_code == 200
    assert admin.http.patch(one, json={"trusted": True, "enabled": True}).status_code == 200
    assert not former.http.post(f"{one}/test").json()["ok"]
    assert canary.heard > 0
    assert former.http.patch(one, json={"url": "https://localhost/mcp"}).status_code == 200
    found = execute(api_database, "SELECT anywhere FROM mcp_servers WHERE id = %s", server_id)
    assert found == [(False,)]


class Hanging:
    """Names that end in `hang.test` are looked up until it is `over`; `full`: four were `asked` for."""

    def __init__(self) -> None:
        self.over, self.full, self.asked = threading.Event(), threading.Event(), 0
        self._ask = socket.getaddrinfo

    def __call__(self, host: str, *arguments: Any, **options: Any) -> Any:
        if not host.endswith("hang.test"):
            return self._ask(host, *arguments, **options)
        self.asked += 1
        if self.asked == 4:
            self.full.set()
        self.over.wait(60)
        raise socket.gaierror


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Generator[Hanging]:
    hanging = Hanging()
    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    yield hanging
    hanging.over.set()


def test_names_that_are_looked_up_for_ever_hold_up_no_other_server(
    person: MakePerson, model: ModelServer, monkeypatch: pytest.MonkeyPatch, hanging: Hanging
) -> None:
    monkeypatch.setattr(others, "FIRST_WAIT", 0.5)
    villain, admin = person(), person(roles=["admin"])
    for number in range(20):
        register(villain, f"https://h{number}.hang.test/mcp", f"h{number}")
    with serving() as foreign:
        register(admin, foreign.url.replace("127.0.0.1", "localhost"))
        villain.say("Hello")
        monkeypatch.setattr(others, "FIRST_WAIT", 30)
        model.answers(call("library__lend", title="Emma"), say("Done."))
        assert admin.say("Lend it")["tool_calls"][0]["error"] is None
        hanging.over.set()


def test_one_who_tries_such_a_name_again_and_again_holds_up_nobody_else(
    person: MakePerson, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "_SECONDS", 1.0)
    villain, admin = person(), person(roles=["admin"])
    bad = f"{PATH}/{register(villain, 'https://h.hang.test/mcp')}/test"
    with serving() as foreign, ThreadPoolExecutor(40) as pool:
        good = register(admin, foreign.url.replace("127.0.0.1", "localhost"))
        tests = [pool.submit(lambda: villain.http.post(bad).json()["trouble"]) for _ in range(40)]
        assert hanging.full.wait(30)
        assert {each.result() for each in tests} == {"timed_out"}
        # Nobody waits for them any more, but their threads are busy still.
        assert admin.http.post(f"{PATH}/{good}/test").json()["ok"]
        assert hanging.asked == 4
        hanging.over.set()
        # What was waited for in vain is not looked up later.
        assert villain.http.post(bad).json()["trouble"] == "unreachable"
        assert hanging.asked < 10
