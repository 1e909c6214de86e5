"""Whether the one at the other end of a connection is who runs this server."""

import os
import socket
import struct
import sys
from pathlib import Path
from typing import Final

__all__ = ["is_same_person"]

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})
_ESTABLISHED: Final = "01"


def is_same_person(client: tuple[str, int] | None, server: tuple[str, int | None] | None) -> bool:
    """Whether `client`, an address and a port, is this machine's, and a program of this process' own user.

    `server` is this end of the connection. Linux tells whose the other one is; elsewhere all users of the
    machine are let in.
    """
    if client is None or client[0] not in _LOOPBACK:
        return False
    table = Path("/proc/net/tcp6" if ":" in client[0] else "/proc/net/tcp")
    if not table.exists():
        return True
    if server is None or server[1] is None:
        return False
    # Both ends: other connections, of other people, may be from the same port.
    wanted = [_written(*client), _written(server[0], server[1]), _ESTABLISHED]
    for line in table.read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1:4] == wanted:
            return int(fields[7]) == os.getuid()
    return False


def _written(host: str, port: int) -> str:
    """As the table has it: words of 32 bits in the machine's own order."""
    packed = socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    count = len(packed) // 4
    order = "<" if sys.byteorder == "little" else ">"
    words = struct.unpack(f"{order}{count}I", packed)
    return f"{''.join(f'{word:08X}' for word in words)}:{port:04X}"
