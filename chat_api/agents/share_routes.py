"""Whom agents are shared with."""

from datetime import datetime
from typing import Annotated, Final, Self, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from chat_api.agents import sharing
from chat_api.agents.rights import Allows
from chat_api.auth.dependencies import Caller, Database
from chat_api.auth.schemas import Done

router = APIRouter(tags=["agents"])

_ALL: Final = "/agents/{agent_id}/shares"
_ONE: Final = f"{_ALL}/{{who:path}}"
_Who: TypeAlias = Annotated[
    str,
    Path(
        max_length=320,
        pattern=r"^[^\x00]+$",
        description="An account's id, the `sub` of one's own issuer, an e-mail address, or `everyone`",
    ),
]


class NewShare(BaseModel):
    model_config = ConfigDict(extra="forbid")

    right: Allows = Field(description="`read`: see and copy it; `use`: chat with it as well")


class AgentShareOut(BaseModel):
    """A person, as tokens and lists name them, and what they may do."""

    account_id: UUID
    user_id: str
    name: str | None
    right: Allows
    shared_at: datetime

    @classmethod
    def of(cls, shared: sharing.Shared) -> Self:
        share, person = shared
        return cls(
            account_id=person.id,
            user_id=person.subject,
            name=person.name,
            right=share.allows,  # pyright: ignore[reportArgumentType]
            shared_at=share.created_at,
        )


class AgentShares(BaseModel):
    """`everyone`: what everybody may do; null: nothing."""

    everyone: Allows | None
    shares: list[AgentShareOut]

    @classmethod
    def of(cls, shares: sharing.Shares) -> Self:
        return cls(
            everyone=shares.everyone,  # pyright: ignore[reportArgumentType]
            shares=[AgentShareOut.of(shared) for shared in shares.people],
        )


@router.get(_ALL)
async def list_agent_shares(caller: Caller, db: Database, agent_id: UUID) -> AgentShares:
    """Whom one's agent is shared with, the first ones first."""
    return AgentShares.of(await sharing.shares_of(db, caller, agent_id))


@router.put(_ONE)
async def share_agent(caller: Caller, db: Database, agent_id: UUID, who: _Who, body: NewShare) -> AgentShares:
    """Let somebody see one's agent, or use it as well, each with what is their own. Safe to repeat.

    Only an admin shares with everyone.
    """
    return AgentShares.of(await sharing.share(db, caller, agent_id, who, body.right))


@router.delete(_ONE)
async def withdraw_agent(caller: Caller, db: Database, agent_id: UUID, who: _Who) -> Done:
    """Share one's agent with somebody no more, from their next turn on. Safe to repeat.

    Also who it is shared with may do so.
    """
    await sharing.withdraw(db, caller, agent_id, who)
    return Done(message="The agent is not shared with them any more")
