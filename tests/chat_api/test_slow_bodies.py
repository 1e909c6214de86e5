"""Requests whose body does not come."""

import socket
from urllib.parse import urlsplit

import pytest

from chat_api import middleware
from tests.chat_api.sockets import token_of
from tests.servers import Person


def test_a_body_that_stalls_is_given_up(api: str, alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "_SLOWEST_BODY", 0.3)
    address = urlsplit(api)
    head = (
        f"POST /api/{alice.name}/chat HTTP/1.1\r\nHost: {address.netloc}\r\n"
        f"Authorization: Bearer {token_of(alice)}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )
    with socket.create_connection((address.hostname, address.port or 80), timeout=30) as connection:
        connection.sendall(head.encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"too_slow"' in answer
    assert alice.say("Hello")["response"] == "Hello."
