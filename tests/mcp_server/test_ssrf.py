"""More than five hundred spellings of what only this machine reaches, and a canary that must stay silent."""

import asyncio
import re
import socket
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from ipaddress import ip_address
from typing import Final

import httpx2
import pytest

from mcp_server.context import SearchConfig
from mcp_server.outbound import Answered, BadAddress, NotPublic, Outbound, OutboundError, TooManyRedirects
from tests.clients import Connect, text_of
from tests.mcp_server.inward import aimed_inwards
from tests.mcp_server.inward_spelled import NAMES, PRIVATE, spelled
from tests.web_server import WebServer, serve_web

LEAST: Final = 500


class Canary:
    """Hears every connection to its port, on the loopback of IPv4, and that of IPv6 where there is one."""

    def __init__(self) -> None:
        self.port = 0
        self.heard = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard += 1
        with suppress(OSError):
            await reader.read(1)  # a greeting of TLS has no end of a line
            writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            await writer.drain()
        writer.close()


@asynccontextmanager
async def listening() -> AsyncGenerator[Canary]:
    canary = Canary()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(await asyncio.start_server(canary, "127.0.0.1", 0))
        canary.port = server.sockets[0].getsockname()[1]
        with suppress(OSError):
            await stack.enter_async_context(await asyncio.start_server(canary, "::1", canary.port))
        yield canary


@pytest.fixture
async def canary() -> AsyncGenerator[Canary]:
    async with listening() as canary:
        yield canary


@pytest.fixture(scope="module")
def web() -> Generator[WebServer]:
    with serve_web() as web:
        yield web


async def hostile(host: str, _port: int) -> Sequence[str]:
    """Numbers as the C library reads them; whatever else is a name whose owner means harm."""
    return [_number(host) or ("::1" if len(host) % 2 else "127.0.0.1")]


def _number(host: str) -> str | None:
    try:
        found = socket.getaddrinfo(host, 80, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return None
    return str(found[0][4][0])


def corpus(port: int) -> list[str]:
    return list(dict.fromkeys((*spelled(port), *aimed_inwards(port))))


async def knock(address: str) -> None:
    """Without the guard: by an Outbound that may reach the host of this address."""
    with suppress(OutboundError, httpx2.InvalidURL):
        url = httpx2.URL(address)
        host = url.raw_host.decode().lower()
        bracketed = f"[{host}]" if ":" in host else host
        if ip_address((await hostile(host, 0))[0]).is_loopback:
            await Outbound(frozenset({bracketed}), 5, hostile).get(address)


async def test_no_spelling_reaches_the_canary(canary: Canary) -> None:
    addresses, guard = corpus(canary.port), Outbound(resolve=hostile)
    assert len(addresses) >= LEAST
    for address in addresses:
        with pytest.raises((BadAddress, NotPublic)):
            await guard.get(address)
    assert canary.heard == 0
    async with httpx2.AsyncClient(trust_env=False) as client:
        await client.get(f"http://127.0.0.1:{canary.port}/")
    assert canary.heard == 1


async def test_where_the_host_is_allowed_the_canary_hears_the_same_spellings(canary: Canary) -> None:
    for address in corpus(canary.port):
        await knock(address)
    assert canary.heard >= 100


async def test_nothing_at_all_is_sent_for_any_of_them(canary: Canary) -> None:
    """Not only to loopback: a network that answers everything is asked for nothing."""
    sent: list[str] = []

    def network(request: httpx2.Request) -> httpx2.Response:
        sent.append(str(request.url))
        return httpx2.Response(200, text="secret", headers={"content-type": "text/plain"})

    guard = Outbound(resolve=hostile, transport=lambda: httpx2.MockTransport(network))
    for address in corpus(canary.port):
        with suppress(OutboundError):
            await guard.get(address)
    assert sent == []
    public = Outbound(resolve=_public, transport=lambda: httpx2.MockTransport(network))
    assert (await public.get("http://example.org/")).body == b"secret"
    assert sent == ["http://93.184.216.34/"]


async def _public(_host: str, _port: int) -> Sequence[str]:
    return ["93.184.216.34"]


@pytest.mark.parametrize(
    "answer", [*PRIVATE, "::1", "::", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fe80::1%lo", "fd00::1"]
)
async def test_no_name_that_resolves_to_it_is_read(canary: Canary, answer: str) -> None:
    answers = [["93.184.216.34", answer], [answer], [answer, "93.184.216.34"]]
    for found in answers:

        async def resolve(_host: str, _port: int, found: list[str] = found) -> Sequence[str]:
            return found

        for name in NAMES:
            with pytest.raises(NotPublic):
                await Outbound(resolve=resolve).get(f"http://{name}:{canary.port}/")
    assert canary.heard == 0


async def test_no_redirect_reaches_the_canary(canary: Canary, web: WebServer) -> None:
    guard = Outbound(frozenset({web.host}), resolve=hostile)
    relative = (
        f"//127.0.0.1:{canary.port}/",
        f"///127.0.0.1:{canary.port}/",
        f"\\\\127.0.0.1:{canary.port}\\",
    )
    sendable = [address for address in corpus(canary.port) if re.fullmatch(r"[!-~]+", address)]
    assert len(sendable) >= LEAST - 50
    for address in (*sendable, *relative):
        web.show("/inwards", "", location=address)
        with pytest.raises((BadAddress, NotPublic, Answered, TooManyRedirects)):
            await guard.get(f"{web.url}/inwards")
    assert canary.heard == 0


async def test_the_tool_is_told_by_none_of_them(canary: Canary, connect: Connect) -> None:
    """With the machine's own resolver, so only what needs no name server."""
    asked = 0
    async with connect("alice", SearchConfig("off")) as client:
        for address in corpus(canary.port):
            with suppress(httpx2.InvalidURL, UnicodeError):
                host = httpx2.URL(address).host
                if host == "localhost" or _number(host):
                    answer = await client.call_tool("fetch_page", {"url": address})
                    assert answer.is_error, ascii(address)
                    assert "127.0.0.1" not in text_of(answer)
                    asked += 1
    assert asked >= 100
    assert canary.heard == 0
