"""What goes on in the background for as long as the process serves."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from traceback import format_exception
from typing import Any, Final, TypeAlias

import structlog

__all__ = ["Job", "background"]

_PAUSE: Final = 1.0
_log = structlog.get_logger(__name__)

Job: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


@asynccontextmanager
async def background(*jobs: Job) -> AsyncGenerator[None]:
    """Do the jobs, each anew when it ends or fails, while the context is open."""
    tasks = [asyncio.create_task(_kept_up(job)) for job in jobs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _kept_up(job: Job) -> None:
    while True:
        try:
            await job()
        except Exception as error:  # noqa: BLE001
            # Whatever it was, all users hang on it.
            _log.error("job_failed", job=repr(job), exception="".join(format_exception(error)))
        await asyncio.sleep(_PAUSE)
