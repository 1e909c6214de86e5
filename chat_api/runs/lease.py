"""Who drives which run: a lease that its process renews, so that the runs of a dead one are taken over.

The lease is set and judged by the database's clock, which all replicas share. Of a process that Postgres
knows to be gone it does not count to its end. Each claim is a new attempt, and an attempt's number is what
fences off whoever held the lease before.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from chat_api.agents.config import ModelOptions
from chat_api.agents.service import AgentRef
from chat_api.conversations.places import Place
from kit.postgres import GONE, Db

__all__ = ["HEARTBEAT_SECONDS", "LEASE_SECONDS", "Claim", "Renewal", "claim", "hand_over", "renew"]

LEASE_SECONDS: Final = 10.0
HEARTBEAT_SECONDS: Final = 3.0
# Since the lease was renewed: a process that only listens anew is there again by then.
GRACE_SECONDS: Final = 5.0

_IDS: Final = bindparam("ids", type_=ARRAY(PG_UUID(as_uuid=True)))
_CLAIM: Final = text(
    f"""
    WITH ready AS (
        SELECT run.id, run.lease_owner IS NULL AS handed_over FROM runs AS run
        WHERE run.status = 'running' AND run.lease_until < now() + make_interval(secs => :early)
                AND CASE WHEN run.lease_until < now() THEN true WHEN run.lease_owner = :worker THEN false
                    ELSE {GONE.format(name="run.lease_owner::text")} END
            OR run.status = 'queued' AND NOT EXISTS (
                SELECT FROM runs AS other
                WHERE other.user_id = run.user_id AND other.conversation_id = run.conversation_id
                    AND (other.status IN ('running', 'requires_action')
                        OR other.status = 'queued' AND other.answer_position < run.answer_position)
            )
        ORDER BY run.id LIMIT :room FOR NO KEY UPDATE OF run SKIP LOCKED
    ), taken AS (
        UPDATE runs SET status = 'running', attempt = attempt + 1, lease_owner = :worker,
            lease_until = now() + make_interval(secs => :lease)
        FROM ready WHERE runs.id = ready.id
        RETURNING runs.*, ready.handed_over
    )
    SELECT taken.id, taken.user_id, taken.conversation_id, taken.position, taken.answer_position,
        messages.parent_position, conversations.branched, taken.attempt, taken.timezone, taken.agent_id,
        taken.agent_version, taken.options, taken.cancel_requested, taken.handed_over, users.issuer,
        users.subject, messages.content
    FROM taken JOIN users ON users.id = taken.user_id
    JOIN conversations ON conversations.id = taken.conversation_id
    JOIN messages ON messages.user_id = taken.user_id
        AND messages.conversation_id = taken.conversation_id AND messages.position = taken.position
    """  # noqa: S608
)
_RENEW: Final = text(
    """
    WITH mine AS (
        SELECT id FROM runs WHERE id = ANY(:ids) AND lease_owner = :worker AND status = 'running'
            AND lease_until > now()
        ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE runs SET lease_until = now() + make_interval(secs => :lease) FROM mine WHERE runs.id = mine.id
    RETURNING runs.id, runs.attempt, runs.cancel_requested
    """
).bindparams(_IDS)
_HAND_OVER: Final = text(
    """
    WITH mine AS (
        SELECT id FROM runs WHERE id = ANY(:ids) AND lease_owner = :worker AND status = 'running'
        ORDER BY id FOR NO KEY UPDATE
    ), free AS (
        UPDATE runs SET lease_until = now() - interval '1 second', lease_owner = NULL
        FROM mine WHERE runs.id = mine.id
    )
    SELECT pg_notify('turnlog', 'w')
    """
).bindparams(_IDS)


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that this process is to drive, as its `attempt`.

    `handed_over`: the process of the attempt before has left it to others in good order.
    """

    run_id: UUID
    user_id: UUID
    issuer: str
    subject: str
    place: Place
    attempt: int
    content: str
    timezone: str | None = None
    agent: AgentRef | None = None
    options: ModelOptions | None = None
    cancel_requested: bool = False
    handed_over: bool = False

    @property
    def conversation_id(self) -> UUID:
        return self.place.conversation_id


@dataclass(frozen=True, slots=True)
class Renewal:
    attempt: int
    cancel_requested: bool


async def claim(db: Db, worker: UUID, *, room: int, early: bool = False) -> Sequence[Claim]:
    """Take the runs that nobody drives, at most as many as there is `room` for, the oldest first.

    `early`: also those whose process is gone while their lease still lasts.
    """
    parameters = {
        "worker": worker,
        "lease": LEASE_SECONDS,
        "early": LEASE_SECONDS - GRACE_SECONDS if early else 0,
        "room": room,
    }
    return [_claim(row) for row in await db.run(_CLAIM, parameters)]


def _claim(row: Row[Any]) -> Claim:
    return Claim(
        run_id=row.id,
        user_id=row.user_id,
        issuer=row.issuer,
        subject=row.subject,
        place=Place(
            row.conversation_id, row.position, row.answer_position, row.parent_position, row.branched
        ),
        attempt=row.attempt,
        content=row.content,
        timezone=row.timezone,
        agent=None if row.agent_id is None else AgentRef(row.agent_id, row.agent_version),
        options=None if row.options is None else ModelOptions.model_validate(row.options),
        cancel_requested=row.cancel_requested,
        handed_over=row.handed_over,
    )


async def renew(db: Db, worker: UUID, run_ids: Collection[UUID]) -> dict[UUID, Renewal]:
    """Renew the leases; those that are not in the answer are lost, as is one that has ended."""
    parameters = {"ids": list(run_ids), "worker": worker, "lease": LEASE_SECONDS}
    rows = await db.run(_RENEW, parameters)
    return {row.id: Renewal(row.attempt, row.cancel_requested) for row in rows}


async def hand_over(db: Db, worker: UUID, run_ids: Collection[UUID]) -> None:
    """Let the leases of these runs end now, with nobody as their owner, and tell the other replicas."""
    await db.run(_HAND_OVER, {"ids": list(run_ids), "worker": worker})
