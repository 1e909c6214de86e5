"""Who may do what with an agent: one's own, one that is shared, or what comes with the server."""

from typing import Literal, NamedTuple, TypeAlias
from uuid import UUID

from sqlalchemy import Select, and_, case, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from chat_api.agents.errors import AgentArchived, AgentForbidden, AgentNotFound
from chat_api.agents.models import Agent, AgentShare
from chat_api.auth.models import User
from chat_api.auth.system import SYSTEM
from kit.postgres import Db
from kit.tokens import Identity

__all__ = ["AgentRef", "Allows", "Right", "Seen", "find", "get_owned", "owners_of", "seen_by", "usable"]

Allows: TypeAlias = Literal["read", "use"]
"""What a share allows; to use is to read as well."""

Right: TypeAlias = Literal["owner", "read", "use"]


class AgentRef(NamedTuple):
    """One version of an agent. `streaming`: whether it streams to who does not say."""

    id: UUID
    version: int
    streaming: bool = True


class Seen(NamedTuple):
    """An agent as somebody may see it. `owner_name` is what its owner goes by, if that is somebody else."""

    agent: Agent
    right: Right = "owner"
    owner_name: str | None = None


def owners_of(identity: Identity) -> list[UUID]:
    """Whose agents are as one's own: what comes with the server is all admins'."""
    return [identity.owner, SYSTEM] if identity.is_admin else [identity.owner]


def seen_by(identity: Identity) -> Select[Agent, str | None, str | None]:
    """All agents, with the right of the person, which is null where there is none, and the owner's name."""
    shared = and_(col(AgentShare.agent_id) == col(Agent.id), col(AgentShare.user_id) == identity.owner)
    # Of what a share and everybody's right allow, the greater word is the greater right.
    allowed = func.greatest(col(AgentShare.allows), col(Agent.everyone))
    right = case((col(Agent.user_id).in_(owners_of(identity)), "owner"), else_=allowed)
    return (
        select(Agent, right.label("granted"), col(User.name))
        .join(User, col(User.id) == col(Agent.user_id))
        .outerjoin(AgentShare, shared)
    )


async def find(db: Db, identity: Identity, agent_id: UUID) -> Seen:
    """An agent that the person may see. Raises AgentNotFound for one that they may not."""
    async with db() as session:
        row = (await session.execute(seen_by(identity).where(col(Agent.id) == agent_id))).first()
    if row is None or row[1] is None:
        raise AgentNotFound
    return Seen(*row)


async def get_owned(
    session: AsyncSession, identity: Identity, agent_id: UUID, *, lock: bool = False
) -> Agent:
    """An agent that the person may change; with `lock`, which nobody else changes meanwhile.

    Raises AgentNotFound for one that they may not see, AgentForbidden for one that is shared with them.
    """
    wanted = seen_by(identity).where(col(Agent.id) == agent_id)
    if lock:
        wanted = wanted.with_for_update(of=Agent, key_share=True)
    row = (await session.execute(wanted)).first()
    if row is None or row[1] is None:
        raise AgentNotFound
    if row[1] != "owner":
        raise AgentForbidden("Only its owner may do that; make a copy of it for yourself.")
    return row[0]


_USABLE = text(
    """
    SELECT agents.version, agents.status,
        coalesce(CAST(agents.config ->> 'streaming' AS boolean), true) AS streaming,
        CASE WHEN agents.user_id = ANY(:owners) THEN 'owner'
            ELSE greatest(agent_shares.allows, agents.everyone) END AS granted
    FROM agents
    LEFT JOIN agent_shares ON agent_shares.agent_id = agents.id AND agent_shares.user_id = :user_id
    WHERE agents.id = :agent_id
    """
)


async def usable(db: Db, identity: Identity, agent_id: UUID) -> AgentRef:
    """The version of the agent that a turn of the person takes now.

    Raises AgentNotFound, AgentForbidden where they may only read it, AgentArchived.
    """
    parameters = {"owners": owners_of(identity), "user_id": identity.owner, "agent_id": agent_id}
    rows = await db.run(_USABLE, parameters)
    if not rows or rows[0].granted is None:
        raise AgentNotFound
    [row] = rows
    if row.granted == "read":
        raise AgentForbidden("This agent is shared with you to be read, not to be used; make a copy of it.")
    if row.status == "archived":
        raise AgentArchived
    return AgentRef(agent_id, row.version, row.streaming)
