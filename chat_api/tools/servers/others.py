"""The tools of other servers beside ours: none of them can hold up a turn for long, or fail it."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeAlias
from uuid import UUID

from chat_api.auth.service import Deputy
from chat_api.tools.function_tools import failed
from chat_api.tools.servers.exchange import Network
from chat_api.tools.servers.offering import Offer
from chat_api.tools.servers.registry import Registry, Server
from chat_api.tools.servers.server_line import Listed, ServerLine
from chat_api.tools.servers.shelf import Shelf
from chat_api.tools.toolbox import Toolbox, ToolUser
from kit.network import Lookups
from kit.postgres import Db
from kit.sealing import Sealer

__all__ = ["FIRST_WAIT", "OtherServers"]

FIRST_WAIT: Final = 3.0
"""Seconds that a turn waits at most for servers that have not been asked before."""

_MOST_TOOLS: Final = 100
_MOST_CHARACTERS: Final = 200_000
_MOST_LINES: Final = 1_000
_MOST_SHELVES: Final = 2_000
_GONE: Final = "This tool is not there any more."
_Key: TypeAlias = tuple[UUID, UUID | None]


class OtherServers:
    """`registry` knows which servers there are."""

    def __init__(self, db: Db, sealer: Sealer, network: Network | None = None) -> None:
        self.registry: Final = Registry(db)
        self.sealer: Final = sealer
        self._network: Final = network or Network()
        self._lookups: Final = Lookups(self._network.resolve)
        self._lines: Final[OrderedDict[_Key, ServerLine]] = OrderedDict()
        self._shelves: Final[OrderedDict[_Key, Shelf]] = OrderedDict()
        self._swept = self.registry.known

    async def add_to(self, own: Toolbox, deputy: Deputy) -> Toolbox:
        """`own`, and the tools of the other servers that a person may use, as they were listed last."""
        servers = await self.registry.of(deputy.owner)
        self._sweep()
        if not servers:
            return own
        shelves = [self._shelf(server, deputy) for server in servers]
        await _first_listings(shelves)
        return _together(own, shelves)

    def line(self, server: Server, deputy: Deputy) -> ServerLine:
        """A line that nobody else uses."""
        network = replace(self._network, resolve=self._lookups.of(deputy.owner))
        return ServerLine(server, deputy, self.sealer, network)

    async def close(self) -> None:
        for shelf in self._shelves.values():
            shelf.close()
        await asyncio.gather(*(line.close() for line in self._lines.values()))

    def _shelf(self, server: Server, deputy: Deputy) -> Shelf:
        """What is known of the tools of `server`, being renewed where that was too long ago."""
        # To whom a server lists what, it can tell only where it is told who is asking.
        key = (server.id, deputy.owner if server.auth == "user" else None)
        shelf = self._shelves.get(key)
        if shelf is None or shelf.server.version != server.version:
            if shelf is not None:
                shelf.close()
            shelf = Shelf(server, partial(self._call, server.id))
            self._shelves[key] = shelf
            if len(self._shelves) > _MOST_SHELVES:
                self._shelves.popitem(last=False)[1].close()
        self._shelves.move_to_end(key)
        shelf.renew(partial(self._list, server, deputy))
        return shelf

    def _pooled(self, server: Server, deputy: Deputy) -> ServerLine:
        """The person's line to the server. No two people share one: a server may remember who it talks to."""
        key = (server.id, deputy.owner)
        line = self._lines.get(key)
        if line is None or line.server.version != server.version:
            if line is not None:
                line.drop()
            self._let_go()
            line = self._lines[key] = self.line(server, deputy)
        self._lines.move_to_end(key)
        return line

    def _let_go(self) -> None:
        """Make room for a line: those that have closed go, and the oldest over which nothing is asked."""
        idle = [key for key, line in self._lines.items() if not line.busy]
        for key in idle:
            if self._lines[key].is_open and len(self._lines) < _MOST_LINES:
                return
            self._lines.pop(key).drop()

    def _sweep(self) -> None:
        """Let go of what is known of servers that are not there any more."""
        if self._swept == self.registry.known:
            return
        self._swept = self.registry.known
        for key in [key for key in self._lines if self.registry.find(key[0]) is None]:
            self._lines.pop(key).drop()
        for key in [key for key in self._shelves if self.registry.find(key[0]) is None]:
            self._shelves.pop(key).close()

    async def _list(self, server: Server, deputy: Deputy) -> Listed:
        return await self._pooled(server, deputy).tools()

    async def _call(
        self, server_id: UUID, offer: Offer, arguments: dict[str, Any], user: ToolUser, key: str
    ) -> dict[str, Any]:
        # A turn can last, and what it was given at its start can have been struck off.
        await self.registry.refresh()
        server = self.registry.find(server_id)
        if server is None or not (server.shared or server.user_id == user.deputy.owner):
            return failed(_GONE)
        line = self._pooled(server, user.deputy)
        return await line.call(offer.true_name, arguments, key, repeatable=offer.repeatable)


async def _first_listings(shelves: Sequence[Shelf]) -> None:
    """Wait for those that are being listed for the first time, but not for long."""
    now = time.monotonic()
    first = [shelf for shelf in shelves if shelf.listing is not None and shelf.is_new]
    left = max((shelf.since + FIRST_WAIT - now for shelf in first), default=0)
    if left > 0:
        await asyncio.wait({shelf.listing for shelf in first if shelf.listing is not None}, timeout=left)


def _together(own: Toolbox, shelves: Sequence[Shelf]) -> Toolbox:
    """Our tools and those on the shelves; of what would be too much, those that come last are left out."""
    tools = list(own.tools)
    names = {tool.name for tool in tools}
    read_only, repeatable, sources = set(own.read_only), set(own.repeatable), dict(own.sources)
    count, room = _MOST_TOOLS, _MOST_CHARACTERS
    for shelf in shelves:
        for offer, tool in shelf.tools:
            if offer.name in names or count == 0 or offer.size > room:
                shelf.warn_left_out(offer)
                continue
            count, room = count - 1, room - offer.size
            names.add(offer.name)
            tools.append(tool)
            sources[offer.name] = shelf.server.name
            if offer.read_only:
                read_only.add(offer.name)
            if offer.repeatable:
                repeatable.add(offer.name)
    return Toolbox(tools, frozenset(read_only), frozenset(repeatable), sources)
