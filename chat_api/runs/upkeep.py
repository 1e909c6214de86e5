"""What every replica clears away now and then; which of them does it does not matter."""

import asyncio
from typing import Final, NoReturn

import structlog

from chat_api.runs.fold import fold
from chat_api.runs.turn import TurnDeps
from kit.postgres.errors import AWAY

__all__ = ["clear_forever"]

_EVERY_SECONDS: Final = 30.0
_log = structlog.get_logger(__name__)


async def clear_forever(deps: TurnDeps, fold_after: float) -> NoReturn:
    """Fold the logs of turns that ended `fold_after` seconds ago, and forget limits that have passed."""
    while True:
        await asyncio.sleep(_EVERY_SECONDS)
        try:
            while await fold(deps.db, fold_after):
                pass
            if deps.admission is not None:
                await deps.admission.clear()
        except AWAY as error:
            _log.warning("nothing_cleared", reason=type(error).__name__)
