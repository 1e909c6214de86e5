"""Versions of agents: what they were, what has changed, and going back."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from chat_api.agents import service
from chat_api.agents.differences import names_of_differences
from chat_api.agents.errors import AgentVersionNotFound
from chat_api.agents.models import Agent, AgentVersion
from chat_api.agents.rights import get_owned
from chat_api.agents.service import Draft
from kit.paging import read_cursor, write_cursor
from kit.postgres import Db
from kit.tokens import Identity

__all__ = ["Change", "list_versions", "restore", "two_versions", "version_of"]


class Change(NamedTuple):
    """A version, and which fields are other than in the one before; None for the first."""

    version: AgentVersion
    changed: list[str] | None


class _Place(BaseModel):
    before: int = Field(ge=1, le=2**31 - 1)


async def list_versions(
    db: Db, identity: Identity, agent_id: UUID, *, limit: int, cursor: str | None
) -> tuple[list[Change], str | None]:
    """A page of the agent's versions, the newest first, and where to go on.

    Raises AgentNotFound, AgentForbidden, InvalidCursor.
    """
    page = _of(agent_id).order_by(col(AgentVersion.version).desc()).limit(limit + 1)
    if cursor is not None:
        page = page.where(col(AgentVersion.version) < read_cursor(_Place, cursor).before)
    async with db() as session:
        await get_owned(session, identity, agent_id)
        found = (await session.scalars(page)).all()
    following = write_cursor(_Place(before=found[limit - 1].version)) if len(found) > limit else None
    return _changes(found)[:limit], following


def _changes(found: Sequence[AgentVersion]) -> list[Change]:
    drafts = [Draft.of(version) for version in found]
    changed = [names_of_differences(before, after) for after, before in pairwise(drafts)]
    return [Change(version, names) for version, names in zip(found, [*changed, None], strict=False)]


async def version_of(db: Db, identity: Identity, agent_id: UUID, version: int) -> AgentVersion:
    """Raises AgentNotFound, AgentForbidden, AgentVersionNotFound."""
    async with db() as session:
        await get_owned(session, identity, agent_id)
        return await _one(session, agent_id, version)


async def two_versions(
    db: Db, identity: Identity, agent_id: UUID, one: int, other: int | None
) -> tuple[AgentVersion, AgentVersion]:
    """Two versions of the agent; the second is the newest where none is named.

    Raises AgentNotFound, AgentForbidden, AgentVersionNotFound.
    """
    async with db() as session:
        agent = await get_owned(session, identity, agent_id)
        newest = agent.version if other is None else other
        return await _one(session, agent_id, one), await _one(session, agent_id, newest)


async def restore(
    db: Db, identity: Identity, agent_id: UUID, version: int, *, expected: Collection[int] | None
) -> Agent:
    """Make a new version that is what `version` was; whether it is archived stays as it is.

    Raises AgentVersionNotFound, and what `change` raises.
    """
    old = Draft.of(await version_of(db, identity, agent_id, version))
    return await service.change(
        db, identity, agent_id, lambda draft: replace(old, status=draft.status), expected=expected
    )


def _of(agent_id: UUID) -> Select[AgentVersion]:
    return select(AgentVersion).where(col(AgentVersion.agent_id) == agent_id)


async def _one(session: AsyncSession, agent_id: UUID, version: int) -> AgentVersion:
    found = await session.scalar(_of(agent_id).where(col(AgentVersion.version) == version))
    if found is None:
        raise AgentVersionNotFound
    return found
