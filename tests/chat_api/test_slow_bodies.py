"""Requests whose body does not come."""

import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import pytest

from chat_api import middleware
from tests.chat_api.sockets import token_of
from tests.servers import Person


def test_a_body_that_stalls_is_given_up(api: str, alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "_SLOWEST_BODY", 0.3)
    with begun(api, alice) as connection:
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"too_slow"' in answer
    assert alice.say("Hello")["response"] == "Hello."


def test_a_body_that_trickles_is_given_up(api: str, alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "_SLOWEST_BODY", 0.5)
    with begun(api, alice) as connection:
        connection.settimeout(0.05)
        answer = b""
        for _ in range(600):
            with suppress(TimeoutError):
                answer = connection.recv(65536)
                break
            connection.sendall(b" ")
    assert answer.startswith(b"HTTP/1.1 408 ")


@contextmanager
def begun(api: str, person: Person) -> Generator[socket.socket]:
    """A connection on which a turn is posted, whose body has begun."""
    address = urlsplit(api)
    head = (
        f"POST /api/{person.name}/chat HTTP/1.1\r\nHost: {address.netloc}\r\n"
        f"Authorization: Bearer {token_of(person)}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    )
    with socket.create_connection((address.hostname, address.port or 80), timeout=30) as connection:
        connection.sendall(head.encode())
        yield connection
