"""Keeping agents: each change is a new version."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from chat_api.agents.config import DEFAULT, AgentConfig
from chat_api.agents.errors import AgentChanged, AgentNotFound, TooManyAgents
from chat_api.agents.models import Agent, AgentVersion
from chat_api.auth.service import meet
from kit.postgres import Db
from kit.postgres.tables import now
from kit.tokens import Identity

__all__ = ["AgentRef", "agent_of", "change", "create", "delete", "find", "get_owned", "list_agents"]

_MOST_AGENTS: Final = 1000


class AgentRef(NamedTuple):
    """One version of an agent."""

    id: UUID
    version: int


async def create(db: Db, identity: Identity, name: str, config: AgentConfig) -> Agent:
    """Raises TooManyAgents."""
    agent = Agent(user_id=identity.owner, name=name, config=config.model_dump(mode="json"))
    of_user = select(func.count()).select_from(Agent).where(col(Agent.user_id) == identity.owner)
    async with db.begin() as session:
        await meet(session, identity)
        if (await session.scalar(of_user) or 0) >= _MOST_AGENTS:
            raise TooManyAgents(_MOST_AGENTS)
        session.add(agent)
        await session.flush()
        session.add(_version(agent))
    return agent


async def find(db: Db, user_id: UUID, agent_id: UUID) -> Agent:
    """One's own agent. Raises AgentNotFound for an id that is unknown or somebody else's."""
    async with db() as session:
        return await get_owned(session, user_id, agent_id)


async def get_owned(session: AsyncSession, user_id: UUID, agent_id: UUID, *, lock: bool = False) -> Agent:
    """One's own agent. Raises AgentNotFound for an id that is unknown or somebody else's."""
    agent = await session.get(Agent, agent_id, with_for_update=lock or None)
    if agent is None or agent.user_id != user_id:
        raise AgentNotFound
    return agent


async def list_agents(db: Db, user_id: UUID, *, limit: int, offset: int) -> tuple[Sequence[Agent], int]:
    """A page of one's own agents, the newest first, and how many there are."""
    mine = col(Agent.user_id) == user_id
    page = select(Agent).where(mine).order_by(col(Agent.id).desc()).limit(limit).offset(offset)
    async with db() as session:
        total = await session.scalar(select(func.count()).select_from(Agent).where(mine))
        return list(await session.scalars(page)), total or 0


async def change(
    db: Db,
    user_id: UUID,
    agent_id: UUID,
    changed: Callable[[AgentConfig], AgentConfig],
    *,
    name: str | None = None,
    expected: Collection[int] | None = None,
) -> Agent:
    """Make a new version of the agent, unless it would be the same.

    `expected` are the versions that the change can be made to; None: any. Raises AgentNotFound, AgentChanged.
    """
    async with db.begin() as session:
        agent = await _changeable(session, user_id, agent_id, expected)
        config = changed(AgentConfig.model_validate(agent.config)).model_dump(mode="json")
        renamed = agent.name if name is None else name
        if (renamed, config) != (agent.name, agent.config):
            agent.name, agent.config = renamed, config
            agent.version += 1
            agent.updated_at = now()
            session.add(_version(agent))
    return agent


async def delete(db: Db, user_id: UUID, agent_id: UUID, *, expected: Collection[int] | None = None) -> None:
    """Delete the agent with its versions; a run of it that is live and is taken over fails.

    Raises AgentNotFound, AgentChanged.
    """
    async with db.begin() as session:
        await session.delete(await _changeable(session, user_id, agent_id, expected))


async def _changeable(
    session: AsyncSession, user_id: UUID, agent_id: UUID, expected: Collection[int] | None
) -> Agent:
    agent = await get_owned(session, user_id, agent_id, lock=True)
    if expected is not None and agent.version not in expected:
        raise AgentChanged(agent.version)
    return agent


async def agent_of(db: Db, user_id: UUID, ref: AgentRef | None) -> AgentConfig:
    """What a run of this version is told; the default assistant where there is none.

    Raises AgentNotFound where it was deleted.
    """
    if ref is None:
        return DEFAULT
    wanted = select(col(AgentVersion.config)).where(
        col(AgentVersion.agent_id) == ref.id,
        col(AgentVersion.version) == ref.version,
        col(AgentVersion.user_id) == user_id,
    )
    rows = await db.run(wanted, {})
    if not rows:
        raise AgentNotFound
    config: dict[str, Any] = rows[0].config
    return AgentConfig.model_validate(config)


def _version(agent: Agent) -> AgentVersion:
    return AgentVersion(
        agent_id=agent.id,
        version=agent.version,
        user_id=agent.user_id,
        name=agent.name,
        config=agent.config,
        created_at=agent.updated_at,
    )
