"""Stopping the turns of people who are disabled."""

from typing import Final

from chat_api.runs.worker import Worker
from kit.access import Access

__all__ = ["stop_disabled_forever"]

_EVERY: Final = 1.0


async def stop_disabled_forever(worker: Worker, access: Access) -> None:
    """Stop their turns as soon as they are disabled, and a turn that was just being taken then soon after."""
    while True:
        for run_id, drive in list(worker.drives.items()):
            if drive.live.turn.user_id in access.disabled:
                worker.cancel(run_id)
        await access.changed(_EVERY)
