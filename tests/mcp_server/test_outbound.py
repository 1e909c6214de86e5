"""The guard: what a user can make this server connect to."""

import asyncio
import re
import socket
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.outbound import (
    MOST_BYTES,
    Answered,
    BadAddress,
    NotPublic,
    NotText,
    Outbound,
    TookTooLong,
    TooManyRedirects,
    Unreachable,
    is_public,
    open_transport,
)
from tests.mcp_server.inward import aimed_inwards
from tests.web_server import Canary, WebServer, certificate, gzip_bomb, listening_canary, serve_web


async def everything_is_loopback(host: str, _port: int) -> Sequence[str]:
    """Numbers as the C library reads them; whatever else is a name, of somebody who means harm."""
    try:
        found = socket.getaddrinfo(host, 80, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except OSError:
        return ["127.0.0.1"]
    return [str(entry[4][0]) for entry in found]


@pytest.fixture(scope="module")
def web() -> Generator[WebServer]:
    with serve_web() as web:
        yield web


@pytest.fixture
def canary() -> Generator[Canary]:
    with listening_canary() as canary:
        yield canary


@pytest.fixture
def outbound(web: WebServer) -> Outbound:
    return Outbound(frozenset({web.host}), resolve=everything_is_loopback)


async def unguarded(address: str) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client:
        await client.get(address)


async def test_nothing_that_aims_inwards_reaches_the_canary(canary: Canary) -> None:
    addresses = list(aimed_inwards(canary.port))
    assert len(addresses) >= 150
    guard = Outbound(resolve=everything_is_loopback)
    for address in addresses:
        with pytest.raises((BadAddress, NotPublic)):
            await guard.get(address)
    await unguarded(f"http://127.0.0.1:{canary.port}/")
    assert canary.heard == 1, "an address of the corpus was connected to"


async def test_without_the_guard_the_canary_hears_the_same_addresses(canary: Canary) -> None:
    for host in ("127.0.0.1", "2130706433", "0x7f.1", "127.1", "localhost", "[::ffff:127.0.0.1]"):
        await unguarded(f"http://{host}:{canary.port}/")
    assert canary.heard == 6


async def test_a_redirect_inwards_is_refused(web: WebServer, canary: Canary, outbound: Outbound) -> None:
    absolute = [address for address in aimed_inwards(canary.port) if re.match(r"https?://[!-~]+$", address)]
    for address in absolute:
        web.show("/inwards", "", location=address)
        with pytest.raises((BadAddress, NotPublic, Answered)):
            await outbound.get(f"{web.url}/inwards")
    await unguarded(f"http://127.0.0.1:{canary.port}/")
    assert canary.heard == 1, "a redirect was followed"


async def test_a_name_that_turns_inwards_after_the_check_is_not_asked_again() -> None:
    answers = [["93.184.216.34", "2606:2800:21f:cb07::1"], ["127.0.0.1"]]
    sent: list[httpx2.Request] = []

    async def rebinding(_host: str, _port: int) -> Sequence[str]:
        return answers.pop(0)

    def network(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200, text="hello", headers={"content-type": "text/plain"})

    guard = Outbound(resolve=rebinding, transport=lambda: httpx2.MockTransport(network))
    assert (await guard.get("https://rebind.test:8443/a?b=c")).url == "https://rebind.test:8443/a?b=c"
    assert [str(request.url) for request in sent] == ["https://93.184.216.34:8443/a?b=c"]
    assert sent[0].headers["host"] == "rebind.test:8443"
    assert sent[0].extensions["sni_hostname"] == "rebind.test"
    with pytest.raises(NotPublic):
        await guard.get("https://rebind.test:8443/")
    assert len(sent) == 1


async def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    async def mixed(_host: str, _port: int) -> Sequence[str]:
        return ["93.184.216.34", "10.0.0.1"]

    with pytest.raises(NotPublic):
        await Outbound(resolve=mixed).get("http://mixed.test/")


@pytest.mark.parametrize(
    "host", ["%6cocalhost", "a..b", ".a", "x" * 64, "a b", "a\\b", "[2606::1%25lo]", "me@a.test"]
)
async def test_a_host_that_is_no_plain_name_is_not_even_looked_up(host: str) -> None:
    async def never(_host: str, _port: int) -> Sequence[str]:
        raise AssertionError

    with pytest.raises(BadAddress):
        await Outbound(resolve=never).get(f"http://{host}/")


async def test_an_unknown_name_is_refused_in_the_words_of_a_private_one() -> None:
    async def unknown(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror

    with pytest.raises(NotPublic) as no_such_name:
        await Outbound(resolve=unknown).get("http://unknown.test/")
    with pytest.raises(NotPublic) as private:
        await Outbound(resolve=everything_is_loopback).get("http://private.test/")
    assert str(no_such_name.value) == str(private.value)


@asynccontextmanager
async def tls_server(folder: Path, name: str) -> AsyncGenerator[tuple[int, Outbound]]:
    """A website with a certificate for `name`, and an Outbound that takes every name for this machine."""
    server_tls, client_tls = certificate(folder, name)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nsecret")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server_tls) as server:
        port: int = server.sockets[0].getsockname()[1]
        allowed = frozenset({f"{name}:{port}", f"other.test:{port}"})
        yield port, Outbound(allowed, 5, everything_is_loopback, lambda: open_transport(client_tls))


async def test_the_certificate_is_checked_for_the_name_not_for_the_pinned_address(tmp_path: Path) -> None:
    async with tls_server(tmp_path, "intranet.test") as (port, outbound):
        assert (await outbound.get(f"https://intranet.test:{port}/")).body == b"secret"
        with pytest.raises(Unreachable):
            await outbound.get(f"https://other.test:{port}/")


async def test_an_allowed_host_is_allowed_on_its_port_only(web: WebServer, canary: Canary) -> None:
    web.show("/in", "inside", "text/plain")
    port = web.host.partition(":")[2]
    guard = Outbound(frozenset({f"intranet.test:{port}"}), resolve=everything_is_loopback)
    assert (await guard.get(f"http://Intranet.test:{port}/in")).body == b"inside"
    assert web.requests[-1].headers["host"] == f"intranet.test:{port}"
    for host in (f"intranet.test:{canary.port}", f"other.test:{port}", f"127.0.0.1:{port}"):
        with pytest.raises(NotPublic):
            await guard.get(f"http://{host}/in")


async def test_only_what_every_visitor_sends_is_sent(web: WebServer, outbound: Outbound) -> None:
    first = web.show("/cookies", "", location="/article", set_cookie="a=b; Path=/")
    assert (await outbound.get(first)).url == f"{web.url}/article"
    assert set(web.requests[-1].headers) == {"host", "user-agent", "accept", "accept-encoding"}


async def test_five_redirects_are_followed_and_a_sixth_is_not(web: WebServer, outbound: Outbound) -> None:
    for number in range(6):
        web.show(f"/hop/{number}", "", location=f"/hop/{number + 1}")
    web.show("/hop/6", "there", "text/plain")
    assert (await outbound.get(f"{web.url}/hop/1")).url == f"{web.url}/hop/6"
    with pytest.raises(TooManyRedirects):
        await outbound.get(f"{web.url}/hop/0")


async def test_what_has_no_end_is_cut(web: WebServer, outbound: Outbound) -> None:
    bomb = web.show("/bomb", gzip_bomb(), "text/plain", content_encoding="gzip")
    for address in (f"{web.url}/endless", bomb):
        fetched = await outbound.get(address)
        assert (len(fetched.body), fetched.complete) == (MOST_BYTES, False)


async def test_layers_of_compression_are_refused(web: WebServer, outbound: Outbound) -> None:
    for encoding in ("gzip, gzip", "br", "deflate,gzip"):
        with pytest.raises(NotText):
            await outbound.get(web.show("/layers", b"x", content_encoding=encoding))


async def test_a_body_that_stalls_ends_with_the_time(web: WebServer) -> None:
    with pytest.raises(TookTooLong):
        await Outbound(frozenset({web.host}), seconds=0.2).get(f"{web.url}/stalled")


async def test_a_name_server_that_stalls_ends_with_the_time() -> None:
    async def stalled(_host: str, _port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(TookTooLong):
        await Outbound(seconds=0.1, resolve=stalled).get("http://slow.test/")


async def test_nonsense_instead_of_http_is_unreachable(web: WebServer, outbound: Outbound) -> None:
    web.show("/headers", "x", x_long="y" * 200_000)
    web.show("/corrupt", b"not gzip", content_encoding="gzip")
    for path in ("/headers", "/corrupt"):
        with pytest.raises(Unreachable):
            await outbound.get(web.url + path)


@given(st.ip_addresses())
def test_no_address_that_python_calls_special_is_public(address: IPv4Address | IPv6Address) -> None:
    carries = any(address in ip_network(carrier) for carrier in ("::ffff:0:0/96", "64:ff9b::/96"))
    if not carries and (not address.is_global or address.is_multicast or address.is_reserved):
        assert not is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_inside_another_is_judged_by_itself(address: IPv4Address) -> None:
    high, low = int(address) >> 16, int(address) & 0xFFFF
    for carrier in (f"::ffff:{high:x}:{low:x}", f"64:ff9b::{high:x}:{low:x}"):
        assert is_public(ip_address(carrier)) == is_public(address)
    for carrier in (f"::{high:x}:{low:x}", f"2002:{high:x}:{low:x}::", f"64:ff9b:1::{high:x}:{low:x}"):
        assert not is_public(ip_address(carrier))


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101"])
def test_a_public_address_is_public(address: str) -> None:
    assert is_public(ip_address(address))
