"""One live run in this process, from its claim to how it ended."""

import asyncio
from dataclasses import dataclass, field
from traceback import format_exception
from typing import Any

import structlog

from chat_api.runs.conclude import End
from chat_api.runs.errors import LeaseLost, TurnFailed
from chat_api.runs.turn import Live, Stop, TurnDeps, answer, failed, stopped
from kit.postgres.errors import AWAY

__all__ = ["Drive", "ending_of"]

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Drive:
    """A live run and the task that drives it; its result is None where the run goes on elsewhere.

    `why` is why it is to end early; `begun` and `ending` tell whether its task can be cancelled for that.
    """

    live: Live
    task: "asyncio.Task[End | None]" = field(init=False)
    why: Stop | None = None
    begun: bool = False
    ending: bool = False

    def stop(self, why: Stop) -> None:
        """Have it end early, unless it ends anyway."""
        if self.why is None and not self.ending:
            self.why = why
            if self.begun:
                self.task.cancel()


async def ending_of(deps: TurnDeps, drive: Drive) -> tuple[End, dict[str, Any]] | None:
    """How the turn ended, with what its last event says beside, or None where it goes on elsewhere.

    Raises LeaseLost.
    """
    live = drive.live
    try:
        drive.begun = True
        if drive.why in {"lost", "hand over"}:
            return None
        return await answer(deps, live, cancelled=drive.why == "cancel")
    except asyncio.CancelledError:
        return stopped(live) if drive.why == "cancel" else None
    except LeaseLost:
        raise
    except AWAY as error:
        # Whoever takes the run over goes on from what is kept.
        _log.warning("turn_left", reason=type(error).__name__)
        raise LeaseLost from error
    except Exception as error:  # noqa: BLE001
        # Whatever it was, the conversation must not stay taken until the lease runs out.
        _log.error("turn_failed", exception="".join(format_exception(error)))
        return failed(live, TurnFailed("Something went wrong here; the log has the run id."))
