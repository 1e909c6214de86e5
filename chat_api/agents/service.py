"""Keeping agents: each change is a new version."""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import flag_modified
from sqlmodel import col

from chat_api.agents.config import DEFAULT, AgentConfig
from chat_api.agents.errors import AgentChanged, AgentNotFound, TooManyAgents
from chat_api.agents.models import Agent, AgentVersion
from chat_api.agents.rights import AgentRef, find, get_owned, usable
from chat_api.auth.models import User
from chat_api.auth.service import meet
from kit.postgres import Db
from kit.postgres.tables import now
from kit.tokens import Identity

__all__ = [
    "AgentRef",
    "Draft",
    "agent_of",
    "change",
    "configured",
    "create",
    "delete",
    "delete_all",
    "find",
    "same",
    "usable",
]

_MOST_AGENTS: Final = 1000


@dataclass(frozen=True, slots=True)
class Draft:
    """All that its owner says of an agent."""

    name: str
    config: AgentConfig
    description: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    status: str = "active"

    @classmethod
    def of(cls, kept: Agent | AgentVersion) -> "Draft":
        config = AgentConfig.model_validate(kept.config)
        return cls(kept.name, config, kept.description, kept.notes, kept.status)

    def put_into(self, agent: Agent) -> None:
        agent.name, agent.description, agent.status = self.name, self.description, self.status
        agent.config, agent.notes = self.config.model_dump(mode="json"), self.metadata


def same(one: Any, other: Any) -> bool:
    """Whether they are the same as JSON, in which 1, 1.0 and true are different."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


async def create(db: Db, identity: Identity, drafts: Sequence[Draft]) -> list[Agent]:
    """Make agents, all of them or none. Raises TooManyAgents."""
    agents = [Agent(user_id=identity.owner, name=draft.name, config={}) for draft in drafts]
    of_user = select(func.count()).select_from(Agent).where(col(Agent.user_id) == identity.owner)
    # One at a time for each person: of two at once, both would count the same.
    lock = select(col(User.id)).where(col(User.id) == identity.owner).with_for_update(key_share=True)
    async with db.begin() as session:
        await meet(session, identity)
        await session.execute(lock)
        if (await session.scalar(of_user) or 0) + len(agents) > _MOST_AGENTS:
            raise TooManyAgents(_MOST_AGENTS)
        for agent, draft in zip(agents, drafts, strict=True):
            draft.put_into(agent)
        session.add_all(agents)
        await session.flush()
        session.add_all(_version(agent) for agent in agents)
    return agents


async def change(
    db: Db,
    identity: Identity,
    agent_id: UUID,
    changed: Callable[[Draft], Draft],
    *,
    expected: Collection[int] | None = None,
) -> Agent:
    """Make a new version of the agent, unless it would be the same.

    `expected` are the versions that the change can be made to; None: any. Raises AgentNotFound,
    AgentForbidden, AgentChanged.
    """
    async with db.begin() as session:
        agent = await _changeable(session, identity, agent_id, expected)
        before = Draft.of(agent)
        after = changed(before)
        if after != before or not same(after.metadata, before.metadata):
            after.put_into(agent)
            # Equal is as little the same to whoever writes it as it is to Python.
            flag_modified(agent, "notes")
            agent.version += 1
            agent.updated_at = now()
            session.add(_version(agent))
    return agent


def configured(changed: Callable[[AgentConfig], AgentConfig]) -> Callable[[Draft], Draft]:
    """The change of an agent that is this change of its configuration."""
    return lambda draft: replace(draft, config=changed(draft.config))


async def delete(
    db: Db, identity: Identity, agent_id: UUID, *, expected: Collection[int] | None = None
) -> None:
    """Delete the agent with its versions and shares; a run of it that is live and is taken over fails.

    Raises AgentNotFound, AgentForbidden, AgentChanged.
    """
    async with db.begin() as session:
        await session.delete(await _changeable(session, identity, agent_id, expected))


async def delete_all(db: Db, identity: Identity, agent_ids: Collection[UUID]) -> set[UUID]:
    """Delete those of the agents that are one's own; return which these were."""
    mine = select(Agent).where(col(Agent.id).in_(agent_ids), col(Agent.user_id) == identity.owner)
    async with db.begin() as session:
        found = (await session.scalars(mine.order_by(col(Agent.id)).with_for_update())).all()
        for agent in found:
            await session.delete(agent)
        return {agent.id for agent in found}


async def _changeable(
    session: AsyncSession, identity: Identity, agent_id: UUID, expected: Collection[int] | None
) -> Agent:
    agent = await get_owned(session, identity, agent_id, lock=True)
    if expected is not None and agent.version not in expected:
        raise AgentChanged(agent.version)
    return agent


async def agent_of(db: Db, ref: AgentRef | None) -> AgentConfig:
    """What a run of this version is told; the default assistant where there is none.

    Whose agent it is was looked at when the run began, which goes on as it began. Raises AgentNotFound where
    it was deleted.
    """
    if ref is None:
        return DEFAULT
    wanted = select(col(AgentVersion.config)).where(
        col(AgentVersion.agent_id) == ref.id, col(AgentVersion.version) == ref.version
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
        description=agent.description,
        status=agent.status,
        config=agent.config,
        notes=agent.notes,
        created_at=agent.updated_at,
    )
