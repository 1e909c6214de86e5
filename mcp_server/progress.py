"""How far a long call is, for clients that ask; and its end, once nobody waits for it any more."""

import time
from dataclasses import dataclass
from typing import Final

from anyio import from_thread

from mcp_server.context import ToolContext

__all__ = ["Pace", "tell"]

_EVERY: Final = 0.5


async def tell(ctx: ToolContext, done: int, total: int | None, message: str) -> None:
    """Tell a client that has sent a progress token (specification 2026-07-28, basic/utilities/progress)."""
    await ctx.report_progress(done, total, message)


@dataclass(slots=True)
class Pace:
    """The same from the thread of a tool, at most every half second."""

    ctx: ToolContext
    _told_at: float = 0.0

    def step(self, done: int, message: str) -> None:
        """Raises what ends the thread where the call was cancelled."""
        from_thread.check_cancelled()
        now = time.monotonic()
        if now - self._told_at >= _EVERY:
            self._told_at = now
            from_thread.run(tell, self.ctx, done, None, message)
