"""What is known of the tools of one server, and when to ask it again."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Final, TypeAlias

import structlog
from agents import Tool

from chat_api.tools.function_tools import function_tool
from chat_api.tools.servers.offering import Offer, offering
from chat_api.tools.servers.registry import Server
from chat_api.tools.servers.server_line import Listed, ServerFailed
from chat_api.tools.toolbox import ToolUser

__all__ = ["Shelf"]

_LONGEST_PAUSE: Final = 300.0
_KEPT: Final = 60.0
_log = structlog.get_logger(__name__)

_CallOffer: TypeAlias = Callable[[Offer, dict[str, Any], ToolUser, str], Awaitable[dict[str, Any]]]


class Shelf:
    """The tools of `server`, which `call` calls.

    They are listed in the background. While that fails, it is tried again after pauses that grow; what was
    listed before stays for a minute, and then the tools are left out.
    """

    def __init__(self, server: Server, call: _CallOffer) -> None:
        self.server: Final = server
        self.tools: list[tuple[Offer, Tool]] = []
        self.listing: asyncio.Task[Listed] | None = None
        self.since = 0.0
        self.is_new = True
        self._call: Final = call
        self._due = 0.0
        self._failures = 0
        self._kept_until = 0.0
        self._warned = False

    def renew(self, list_tools: Callable[[], Coroutine[Any, Any, Listed]]) -> None:
        """Begin to list the tools anew, where it is time to."""
        now = time.monotonic()
        if self.tools and self._failures and now > self._kept_until:
            self.tools = []
        if self.listing is None and now >= self._due:
            self.since = now
            self.listing = asyncio.create_task(list_tools())
            self.listing.add_done_callback(self._listed)

    def close(self) -> None:
        if self.listing is not None:
            self.listing.cancel()

    def warn_left_out(self, offer: Offer) -> None:
        """Say once for each listing that not all of it can be had."""
        if not self._warned:
            self._warned = True
            _log.warning(
                "mcp_tools_left_out", server=str(self.server.id), first=offer.name, reason="too_many"
            )

    def _warn(self, name: str, reason: str) -> None:
        # The name is the server's own, and could be written to look like a line of the log.
        _log.warning("mcp_tools_left_out", server=str(self.server.id), tool=ascii(name[:80]), reason=reason)

    def _listed(self, task: "asyncio.Task[Listed]") -> None:
        self.listing = None
        self.is_new = False
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._take(task.result())
        else:
            self._fail(error)

    def _take(self, listed: Listed) -> None:
        found = offering(self.server, listed.tools, complete=listed.complete)
        for name, reason in found.left_out[:3]:
            self._warn(name, reason)
        now = time.monotonic()
        self.tools = [(offer, self._tool(offer)) for offer in found.offers]
        self._failures, self._warned = 0, False
        self._due, self._kept_until = now + listed.lifetime, now + listed.lifetime + _KEPT

    def _fail(self, error: BaseException) -> None:
        self._failures += 1
        pause = min(_LONGEST_PAUSE, 2.0**self._failures)
        self._due = time.monotonic() + pause
        trouble, reason = (
            (error.trouble, error.reason)
            if isinstance(error, ServerFailed)
            else ("not_mcp", type(error).__name__)
        )
        _log.warning(
            "mcp_server_not_listed", server=str(self.server.id), trouble=trouble, reason=reason, pause=pause
        )

    def _tool(self, offer: Offer) -> Tool:
        return function_tool(
            offer.name,
            offer.description,
            offer.schema,
            partial(self._call, offer),
            repeatable=offer.repeatable,
        )
