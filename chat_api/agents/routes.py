"""Agents: assistants with a prompt, tools and rules of one's own."""

from http import HTTPStatus
from typing import Annotated, Final, TypeAlias, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from chat_api.agents import service
from chat_api.agents.models import Agent
from chat_api.agents.schemas import AgentChange, AgentList, AgentOut, NewAgent
from chat_api.auth.dependencies import Caller
from kit.postgres import Db

router = APIRouter(tags=["agents"])

_PATH: Final = "/agents"


async def _db(request: Request) -> Db:
    return cast("Db", request.state.db)


Database: TypeAlias = Annotated[Db, Depends(_db)]
_IfMatch: TypeAlias = Annotated[
    str | None,
    Header(pattern=r'^"\d{1,9}"$', description="The `ETag` of the version that the change is made to"),
]


@router.post(_PATH, status_code=HTTPStatus.CREATED)
async def create_agent(caller: Caller, db: Database, body: NewAgent, response: Response) -> AgentOut:
    """Make an assistant of one's own. Turns take it by its `agent_id`."""
    return _answer(await service.create(db, caller, body.name, body.config), response)


@router.get(_PATH)
async def list_agents(
    caller: Caller,
    db: Database,
    limit: Annotated[int, Query(ge=1, le=100)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> AgentList:
    """One's own agents, the newest first."""
    found, total = await service.list_agents(db, caller.owner, limit=limit, offset=offset)
    return AgentList(agents=[AgentOut.of(agent) for agent in found], total=total, limit=limit, offset=offset)


@router.get(f"{_PATH}/{{agent_id}}")
async def get_agent(caller: Caller, db: Database, agent_id: UUID, response: Response) -> AgentOut:
    """One agent. Its `ETag` is its version."""
    return _answer(await service.find(db, caller.owner, agent_id), response)


@router.patch(f"{_PATH}/{{agent_id}}")
async def change_agent(
    caller: Caller,
    db: Database,
    agent_id: UUID,
    body: AgentChange,
    response: Response,
    if_match: _IfMatch = None,
) -> AgentOut:
    """Change an agent, which makes a new version; turns that run go on with theirs.

    With `If-Match`, only if nobody else has changed it meanwhile.
    """
    expected = None if if_match is None else int(if_match.strip('"'))
    changed = await service.change(
        db, caller.owner, agent_id, body.applied, name=body.name, expected=expected
    )
    return _answer(changed, response)


@router.delete(f"{_PATH}/{{agent_id}}")
async def delete_agent(caller: Caller, db: Database, agent_id: UUID) -> dict[str, bool | str]:
    """Delete an agent with its versions. Its conversations stay."""
    await service.delete(db, caller.owner, agent_id)
    return {"success": True, "message": "Agent deleted successfully"}


def _answer(agent: Agent, response: Response) -> AgentOut:
    response.headers["ETag"] = f'"{agent.version}"'
    return AgentOut.of(agent)
