"""What agents were, and going back to it."""

from typing import Annotated, Final, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from chat_api.agents import versions
from chat_api.agents.answers import answer
from chat_api.agents.rights import Seen
from chat_api.agents.schemas import AgentOut
from chat_api.agents.version_schemas import (
    AgentVersionDiff,
    AgentVersionLine,
    AgentVersionList,
    AgentVersionOut,
)
from chat_api.auth.dependencies import Caller, Database
from chat_api.preconditions import Expected
from kit.paging import LONGEST_CURSOR

router = APIRouter(tags=["agents"])

_ALL: Final = "/agents/{agent_id}/versions"
_ONE: Final = f"{_ALL}/{{version}}"
_MOST: Final = 2**31 - 1
_Version: TypeAlias = Annotated[int, Path(ge=1, le=_MOST)]


@router.get(_ALL)
async def list_agent_versions(
    caller: Caller,
    db: Database,
    agent_id: UUID,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[
        str | None, Query(max_length=LONGEST_CURSOR, description="`next_cursor` of the page before")
    ] = None,
) -> AgentVersionList:
    """What the agent was, the newest version first, and what each of them has changed."""
    found, following = await versions.list_versions(db, caller, agent_id, limit=limit, cursor=cursor)
    return AgentVersionList(versions=[AgentVersionLine.of(change) for change in found], next_cursor=following)


@router.get(_ONE)
async def get_agent_version(
    caller: Caller, db: Database, agent_id: UUID, version: _Version
) -> AgentVersionOut:
    """The agent as it was."""
    return AgentVersionOut.of(await versions.version_of(db, caller, agent_id, version))


@router.get(f"{_ONE}/diff")
async def compare_agent_versions(
    caller: Caller,
    db: Database,
    agent_id: UUID,
    version: _Version,
    to: Annotated[int | None, Query(ge=1, le=_MOST, description="Left out: the newest version")] = None,
) -> AgentVersionDiff:
    """What is different between a version and another one."""
    return AgentVersionDiff.of(*await versions.two_versions(db, caller, agent_id, version, to))


@router.post(f"{_ONE}/restore")
async def restore_agent_version(
    caller: Caller, db: Database, agent_id: UUID, version: _Version, expected: Expected, response: Response
) -> AgentOut:
    """Make a new version that is what an old one was."""
    restored = await versions.restore(db, caller, agent_id, version, expected=expected)
    return answer(Seen(restored), response)
