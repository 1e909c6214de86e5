"""A server without manners: what it does to a connection is up to the test."""

import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

__all__ = ["RawAnswer", "babble", "halve", "halve_chunks", "hang_up", "raw_server", "reset"]

RawAnswer: TypeAlias = Callable[[socket.socket], None]


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hang_up(_: socket.socket) -> None:
    pass


def halve(connection: socket.socket) -> None:
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"choices": [{"message"')


def halve_chunks(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n{")


def babble(connection: socket.socket) -> None:
    connection.sendall(b"220 mail.example ESMTP\r\n")


class Asked(list[bytes]):
    """The requests that came in."""

    url = ""


@contextmanager
def raw_server(answers: Sequence[RawAnswer], port: int = 0) -> Generator[Asked]:
    """A server that treats its first connections to `answers`, then speaks the protocol."""
    body = json.dumps({"data": [{"id": "raw"}], "choices": [{"message": {"content": "Raw."}}]}).encode()
    fine = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    queue, asked = list(answers), Asked()

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                asked.append(read_request(connection))
                if queue:
                    queue.pop(0)(connection)
                else:
                    connection.sendall(fine)

    with socket.create_server(("127.0.0.1", port)) as listener:
        asked.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield asked
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def read_request(connection: socket.socket) -> bytes:
    """All of it: to close on what is unread would reset the connection."""
    request = b""
    while b"\r\n\r\n" not in request:
        request += connection.recv(65536)
    head, _, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    while length and len(body) < int(length[1]):
        body += connection.recv(65536)
    return request
