"""Sharing agents: whose it is stays, and who uses it does so with what is their own."""

from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import case, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from chat_api.agents.errors import TooManyShares
from chat_api.agents.models import Agent, AgentShare
from chat_api.agents.rights import Allows, get_owned
from chat_api.auth.dependencies import NotAdmin
from chat_api.auth.errors import UserNotFound
from chat_api.auth.models import User
from chat_api.auth.system import SYSTEM
from kit.postgres import Db
from kit.postgres.tables import now
from kit.tokens import Identity

__all__ = ["EVERYONE", "Shared", "Shares", "share", "shares_of", "withdraw"]

EVERYONE: Final = "everyone"
"""In the place of a person."""

_MOST_SHARES: Final = 200


class Shared(NamedTuple):
    """Somebody whom an agent is shared with."""

    share: AgentShare
    person: User


class Shares(NamedTuple):
    """Whom an agent is shared with, and what everybody may do."""

    everyone: str | None
    people: list[Shared]


async def shares_of(db: Db, identity: Identity, agent_id: UUID) -> Shares:
    """Raises AgentNotFound, AgentForbidden."""
    async with db() as session:
        return await _shares(session, await get_owned(session, identity, agent_id))


async def share(db: Db, identity: Identity, agent_id: UUID, who: str, allows: Allows) -> Shares:
    """Let `who` read or use the agent: an account's id, a subject, an e-mail address, or `everyone`.

    Safe to repeat. Raises AgentNotFound, AgentForbidden, UserNotFound, TooManyShares; NotAdmin for everyone.
    """
    try:
        async with db.begin() as session:
            agent = await get_owned(session, identity, agent_id, lock=True)
            if who != EVERYONE:
                await _share(session, agent, await _person(session, identity, who), allows)
            elif identity.is_admin:
                agent.everyone = allows
            else:
                raise NotAdmin("Only an admin may share an agent with everyone.")
            await session.flush()
            return await _shares(session, agent)
    except IntegrityError as error:
        # They were erased at this very moment.
        raise UserNotFound from error


async def withdraw(db: Db, identity: Identity, agent_id: UUID, who: str) -> None:
    """Share the agent with `who` no more; the turns of theirs that run go on. Safe to repeat.

    Who it is shared with may do so for themselves, whether it is there or not. Raises AgentNotFound,
    AgentForbidden, UserNotFound.
    """
    async with db.begin() as session:
        person = None if who == EVERYONE else await _named(session, identity, who)
        if person != identity.owner:
            agent = await get_owned(session, identity, agent_id, lock=True)
            if who == EVERYONE:
                agent.everyone = None
                return
        if person is None:
            raise UserNotFound
        theirs = (col(AgentShare.agent_id) == agent_id) & (col(AgentShare.user_id) == person)
        await session.execute(delete(AgentShare).where(theirs))


async def _share(session: AsyncSession, agent: Agent, person: UUID, allows: Allows) -> None:
    if person == agent.user_id:
        return
    row = {"user_id": person, "agent_id": agent.id, "allows": allows, "created_at": now()}
    keys = [col(AgentShare.user_id), col(AgentShare.agent_id)]
    given = insert(AgentShare).values(row).on_conflict_do_update(index_elements=keys, set_={"allows": allows})
    await session.execute(given)
    of_agent = select(func.count()).select_from(AgentShare).where(col(AgentShare.agent_id) == agent.id)
    if (await session.scalar(of_agent) or 0) > _MOST_SHARES:
        raise TooManyShares(_MOST_SHARES)


async def _person(session: AsyncSession, identity: Identity, who: str) -> UUID:
    """Whom `who` names. Raises UserNotFound."""
    found = await _named(session, identity, who)
    if found is None:
        raise UserNotFound
    return found


async def _named(session: AsyncSession, identity: Identity, who: str) -> UUID | None:
    """The person of this id, whom the caller's own issuer calls so, or of this e-mail address."""
    id_ = _id(who)
    of_issuer = (col(User.issuer) == identity.issuer) & (col(User.subject) == who)
    named = or_(col(User.id) == id_, of_issuer, col(User.email) == who.lower())
    nearest = case((col(User.id) == id_, 0), (of_issuer, 1), else_=2)
    return await session.scalar(
        select(col(User.id)).where(named, col(User.id) != SYSTEM).order_by(nearest).limit(1)
    )


def _id(who: str) -> UUID | None:
    try:
        return UUID(who)
    except ValueError:
        return None


async def _shares(session: AsyncSession, agent: Agent) -> Shares:
    people = (
        select(AgentShare, User)
        .join(User, col(User.id) == col(AgentShare.user_id))
        .where(col(AgentShare.agent_id) == agent.id)
        .order_by(col(AgentShare.created_at), col(AgentShare.user_id))
    )
    rows = (await session.execute(people)).all()
    return Shares(agent.everyone, [Shared(*row) for row in rows])
