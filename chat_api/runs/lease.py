"""Who drives which run: a lease that its process renews, so that a dead one's runs do not stay live.

The lease is set and judged by the database's clock, which all replicas share.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col

from chat_api.runs.errors import Interrupted
from chat_api.runs.models import Run
from kit.postgres import Db
from kit.postgres.tables import now

__all__ = ["end_expired", "keep_leases"]

_LEASE: Final = timedelta(seconds=10)
_HEARTBEAT: Final = 3.0
_log = structlog.get_logger(__name__)


async def end_expired(db: Db, user_id: UUID, conversation_id: UUID) -> bool:
    """Fail the conversation's live run if whoever drove it has stopped renewing its lease.

    Returns whether there is none left.
    """
    stopped = Interrupted()
    live = (
        col(Run.user_id) == user_id,
        col(Run.conversation_id) == conversation_id,
        col(Run.status) == "running",
    )
    expired = (
        update(Run)
        .where(*live, col(Run.lease_until) < func.now())
        .values(status="failed", error={"code": stopped.code, "message": stopped.message}, finished_at=now())
    )
    async with db.begin() as session:
        await session.execute(expired)
        return await session.scalar(select(col(Run.id)).where(*live)) is None


@asynccontextmanager
async def keep_leases(db: Db, live: Collection[UUID]) -> AsyncGenerator[None]:
    """Renew the leases of the `live` runs, whichever they are at the time, while the context is open."""
    task = asyncio.create_task(_renew_forever(db, live))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _renew_forever(db: Db, live: Collection[UUID]) -> None:
    while True:
        await asyncio.sleep(_HEARTBEAT)
        if not live:
            continue
        renewal = (
            update(Run)
            .where(col(Run.id).in_(live), col(Run.status) == "running")
            .values(lease_until=func.now() + _LEASE)
        )
        try:
            async with db.begin() as session:
                await session.execute(renewal)
        except SQLAlchemyError as error:
            _log.warning("lease_not_renewed", reason=type(error).__name__)
