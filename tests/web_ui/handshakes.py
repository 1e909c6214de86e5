"""The opening of a WebSocket, as bytes."""

import socket
from collections.abc import Mapping
from typing import Final

__all__ = ["shake_hands"]

_FIXED: Final = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


def shake_hands(connection: socket.socket, host: str, headers: Mapping[str, str]) -> int:
    """The status that it is answered with."""
    lines = [f"{name}: {value}" for name, value in {"Host": host, **headers, **_FIXED}.items()]
    connection.sendall("\r\n".join(["GET /_stcore/stream HTTP/1.1", *lines, "", ""]).encode())
    return int(connection.recv(64).split()[1])
