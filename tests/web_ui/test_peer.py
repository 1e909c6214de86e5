"""Whose program is at the other end of a connection."""

import os
import socket
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from web_ui.peer import is_same_person

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/proc/net/tcp").exists(), reason="needs root on Linux, to be somebody else"
)
STRANGER = 65534


@contextmanager
def connected(to: tuple[str, int], port: int, uid: int) -> Generator[None]:
    """A connection of that user, from that port."""
    with socket.socket() as end:
        os.fchown(end.fileno(), uid, -1)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        end.bind(("127.0.0.1", port))
        end.connect(to)
        yield


@pytest.mark.parametrize("first", [STRANGER, os.getuid()])
def test_a_connection_from_the_same_port_does_not_count(first: int) -> None:
    second = os.getuid() if first == STRANGER else STRANGER
    with ExitStack() as open_:
        ones, others = (open_.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            client = free.getsockname()
        for listener, uid in ((ones, first), (others, second)):
            open_.enter_context(connected(listener.getsockname(), client[1], uid))
        assert is_same_person(client, ones.getsockname()) is (first == os.getuid())
        assert is_same_person(client, others.getsockname()) is (second == os.getuid())
        assert not is_same_person(client, ("127.0.0.1", 9))
        assert not is_same_person(client, None)
