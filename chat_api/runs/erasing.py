"""Deleting conversations for good, with their messages, runs and events."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from chat_api.runs import service
from chat_api.runs.errors import RunNotFound
from chat_api.runs.worker import Worker
from kit.postgres import Db
from kit.postgres.errors import AWAY

__all__ = ["erase", "purge_forever", "stop"]

_PURGE_EVERY: Final = 60.0
_MOST_AT_ONCE: Final = 20
_IDS: Final = bindparam("ids", type_=ARRAY(PG_UUID(as_uuid=True)))
_log = structlog.get_logger(__name__)

_LIVE: Final = text(
    """
    SELECT id FROM runs WHERE user_id = :user_id AND conversation_id = ANY(:ids)
        AND status IN ('queued', 'running', 'requires_action')
    """
).bindparams(_IDS)
# What tools have answered is kept for calls that are repeated.
_EFFECTS: Final = """
    DELETE FROM tool_effects USING runs, {gone}
    WHERE runs.conversation_id = {gone}.id AND tool_effects.user_id = runs.user_id
        AND left(tool_effects.key, 36) = CAST(runs.id AS text)
"""
# A turn that came between is stopped, too: its run is gone, so that it can keep nothing. What is spent stays
# spent: the runs are locked first, so that none ends unseen.
_ERASE: Final = text(
    f"""
    WITH mine AS (
        SELECT id, conversation_id, status, created_at, usage FROM runs
        WHERE user_id = :user_id AND conversation_id = ANY(:ids)
        ORDER BY id FOR UPDATE
    ), told AS (
        SELECT pg_notify('turnlog', 'c' || replace(CAST(id AS text), '-', '')) FROM mine
        WHERE status IN ('queued', 'running', 'requires_action')
    ), gone AS (
        DELETE FROM conversations
        WHERE user_id = :user_id AND id = ANY(:ids) AND (SELECT count(*) FROM mine) >= 0
        RETURNING id
    ), spent AS (
        INSERT INTO spent_tokens (user_id, hour, tokens)
        SELECT :user_id, date_trunc('hour', mine.created_at, 'UTC'),
            sum(CAST(usage ->> 'total_tokens' AS bigint))
        FROM mine JOIN gone ON gone.id = mine.conversation_id
        WHERE mine.created_at > now() - interval '1 day' AND usage ->> 'total_tokens' IS NOT NULL
        GROUP BY 2
        ON CONFLICT (user_id, hour) DO UPDATE SET tokens = spent_tokens.tokens + excluded.tokens
    ), effects AS ({_EFFECTS.format(gone="gone")})
    SELECT id, (SELECT count(*) FROM told) FROM gone
    """  # noqa: S608
).bindparams(_IDS)
_PURGE: Final = text(
    f"""
    WITH old AS (
        SELECT id FROM conversations WHERE deleted_at < now() - :age
        ORDER BY deleted_at LIMIT :most FOR UPDATE SKIP LOCKED
    ), effects AS ({_EFFECTS.format(gone="old")})
    DELETE FROM conversations USING old WHERE conversations.id = old.id RETURNING conversations.id
    """  # noqa: S608
)


async def erase(worker: Worker, user_id: UUID, ids: Collection[UUID]) -> set[UUID]:
    """Delete the user's conversations of these ids, once their turns are stopped; those that there were."""
    db, parameters = worker.deps.db, {"user_id": user_id, "ids": list(ids)}
    live = [row.id for row in await db.run(_LIVE, parameters)]
    await stop(worker, user_id, live)
    return {row.id for row in await db.run(_ERASE, parameters)}


async def stop(worker: Worker, user_id: UUID, run_ids: Collection[UUID]) -> None:
    """Stop the user's runs and wait until they are over; one that is deleted meanwhile is."""

    async def one(run_id: UUID) -> None:
        with suppress(RunNotFound):
            await service.cancel(worker, user_id, run_id)

    await asyncio.gather(*map(one, run_ids))


async def purge_forever(db: Db, days: int) -> None:
    """Delete for good what was deleted so many days ago, some at a time; any replica does."""
    while True:
        try:
            while await db.run(_PURGE, {"age": timedelta(days=days), "most": _MOST_AT_ONCE}):
                pass
        except AWAY as error:
            _log.warning("nothing_purged", reason=type(error).__name__)
        await asyncio.sleep(_PURGE_EVERY)
