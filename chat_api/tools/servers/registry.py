"""Which other servers there are, as this process knows it.

It asks the database when a turn wants to know and the last time is two seconds ago; the answer is nothing
unless something has changed.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import anyio
import structlog
from sqlalchemy import text

from kit.postgres import Db
from kit.postgres.errors import AWAY

__all__ = ["Registry", "Server"]

_log = structlog.get_logger(__name__)
_LIFETIME: Final = 2.0
_CHANGED: Final = text(
    """
    SELECT changes.number, server.id, server.user_id, server.name, server.url, server.auth, server.header,
        server.audience, server.secret, server.shared, server.anywhere, server.trusted,
        server.timeout_seconds, server.version
    FROM mcp_server_changes AS changes LEFT JOIN mcp_servers AS server ON server.enabled
    WHERE changes.number <> :known
    ORDER BY server.id
    """
)


@dataclass(frozen=True, slots=True)
class Server:
    """One that is enabled, as `McpServer` has it."""

    id: UUID
    user_id: UUID
    name: str
    url: str
    auth: str
    header: str | None
    audience: str | None
    secret: bytes | None
    shared: bool
    anywhere: bool
    trusted: bool
    timeout_seconds: int
    version: int


class Registry:
    """`known` is the number of the newest change that is known here."""

    def __init__(self, db: Db) -> None:
        self._db: Final = db
        self.known = -1
        self._asked_at = float("-inf")
        self._changes = 0
        self._asking: Final = anyio.Lock()
        self._shared: dict[str, Server] = {}
        self._own: dict[UUID, dict[str, Server]] = {}
        self._all: dict[UUID, Server] = {}

    def expire(self) -> None:
        """Ask again when next somebody wants to know: this process has changed something."""
        self._changes += 1
        self._asked_at = float("-inf")

    def find(self, server_id: UUID) -> Server | None:
        """The server as it is now, if it is still there."""
        return self._all.get(server_id)

    async def of(self, owner: UUID) -> Sequence[Server]:
        """The servers whose tools a person may use: all shared ones but where their own has the same name."""
        await self.refresh()
        own = self._own.get(owner)
        if own is None:
            return list(self._shared.values()) if self._shared else ()
        return list((self._shared | own).values())

    async def refresh(self) -> None:
        """Know what there was two seconds ago, or later."""
        if time.monotonic() - self._asked_at >= _LIFETIME:
            async with self._asking:
                if time.monotonic() - self._asked_at >= _LIFETIME:
                    await self._renew()

    async def _renew(self) -> None:
        asked_at, changes = time.monotonic(), self._changes
        try:
            rows = await self._db.run(_CHANGED, {"known": self.known})
        except AWAY as error:
            _log.warning("mcp_servers_not_read", reason=type(error).__name__)
        else:
            if rows:
                self._take(rows)
        if changes == self._changes:
            # Else the answer may have come before the change did.
            self._asked_at = asked_at

    def _take(self, rows: Sequence[Any]) -> None:
        self.known = rows[0].number
        found = [Server(*row[1:]) for row in rows if row.id is not None]
        self._all = {server.id: server for server in found}
        self._shared = {server.name: server for server in found if server.shared}
        own: dict[UUID, dict[str, Server]] = {}
        for server in found:
            own.setdefault(server.user_id, {})[server.name] = server
        self._own = own
