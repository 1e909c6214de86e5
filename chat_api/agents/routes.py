"""Agents: assistants with a prompt, tools and rules of one's own."""

from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from chat_api.agents import listing, many_routes, service, share_routes, tools, version_routes
from chat_api.agents.answers import answer
from chat_api.agents.config import AgentConfig, ToolName
from chat_api.agents.listing import Sort, Wanted
from chat_api.agents.offer import Offered
from chat_api.agents.rights import Seen
from chat_api.agents.schemas import AgentChange, AgentList, AgentOut, AgentTools, NewAgent, Status
from chat_api.auth.dependencies import Caller, Database
from chat_api.auth.schemas import Done
from chat_api.preconditions import Expected
from kit.paging import LONGEST_CURSOR

router = APIRouter(tags=["agents"])
ROUTERS: Final = (router, version_routes.router, share_routes.router, many_routes.router)
"""All that there is about agents."""

_PATH: Final = "/agents"
_ONE: Final = "/agents/{agent_id}"
_TOOL: Final = "/agents/{agent_id}/tools/{name}"


async def _wanted(
    status: Annotated[Status | None, Query()] = None,
    search: Annotated[
        str | None,
        Query(min_length=1, max_length=200, pattern=r"^[^\x00]*$", description="In names and descriptions"),
    ] = None,
    shared: Annotated[
        bool | None, Query(description="`true`: what others share; `false`: one's own; left out: both")
    ] = None,
    sort: Annotated[Sort, Query(description="`-`: from the last one on")] = "-created_at",
) -> Wanted:
    return Wanted(status, search, shared, sort)


@router.post(_PATH, status_code=HTTPStatus.CREATED)
async def create_agent(
    caller: Caller, db: Database, offered: Offered, body: NewAgent, response: Response
) -> AgentOut:
    """Make an assistant of one's own. Turns take it by its `agent_id`."""
    body = body.within(offered.most_tokens)
    await offered.check(body.config)
    [made] = await service.create(db, caller, [body.draft])
    return answer(Seen(made), response)


@router.get(_PATH)
async def list_agents(
    caller: Caller,
    db: Database,
    wanted: Annotated[Wanted, Depends(_wanted)],
    limit: Annotated[int, Query(ge=1, le=100)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000, description="Without a `cursor`")] = 0,
    cursor: Annotated[
        str | None, Query(max_length=LONGEST_CURSOR, description="`next_cursor` of the page before")
    ] = None,
) -> AgentList:
    """One's own agents and those that are shared with one, the newest first."""
    page = await listing.list_agents(db, caller, wanted, limit=limit, offset=offset, cursor=cursor)
    return AgentList(
        agents=[AgentOut.of(seen) for seen in page.agents],
        total=page.total,
        limit=limit,
        offset=offset,
        next_cursor=page.next_cursor,
    )


@router.get(_ONE)
async def get_agent(caller: Caller, db: Database, agent_id: UUID, response: Response) -> AgentOut:
    """One agent. Its `ETag` is its version."""
    return answer(await service.find(db, caller, agent_id), response)


@router.patch(_ONE)
async def change_agent(
    caller: Caller,
    db: Database,
    offered: Offered,
    agent_id: UUID,
    expected: Expected,
    body: AgentChange,
    response: Response,
) -> AgentOut:
    """Change an agent, which makes a new version; turns that run go on with theirs.

    With `If-Match`, only if nobody else has changed it meanwhile; without, the last change counts.
    """
    await offered.check(body.config)
    changed = await service.change(db, caller, agent_id, body.applied, expected=expected)
    return answer(Seen(changed), response)


@router.put(_ONE)
async def replace_agent(
    caller: Caller,
    db: Database,
    offered: Offered,
    agent_id: UUID,
    expected: Expected,
    body: NewAgent,
    response: Response,
) -> AgentOut:
    """The same with all that is said of an agent: what is left out is as it is for a new one."""
    body = body.within(offered.most_tokens)
    await offered.check(body.config)
    changed = await service.change(db, caller, agent_id, body.instead_of, expected=expected)
    return answer(Seen(changed), response)


@router.delete(_ONE)
async def delete_agent(caller: Caller, db: Database, expected: Expected, agent_id: UUID) -> Done:
    """Delete an agent with its versions. Its conversations stay."""
    await service.delete(db, caller, agent_id, expected=expected)
    return Done(message="Agent deleted successfully")


@router.get("/tools/{agent_id}", tags=["tools"])
async def list_tools_of_agent(caller: Caller, db: Database, offered: Offered, agent_id: UUID) -> AgentTools:
    """The tools that an agent may call, of those that there are."""
    agent = (await service.find(db, caller, agent_id)).agent
    found = tools.of_agent(AgentConfig.model_validate(agent.config), await offered.tools())
    return AgentTools(agent_id=agent.id, tools=[tool.name for tool in found], tool_details=found)


@router.put(_TOOL)
async def attach_tool(
    caller: Caller,
    db: Database,
    offered: Offered,
    expected: Expected,
    agent_id: UUID,
    name: ToolName,
    response: Response,
) -> AgentOut:
    """Let an agent call one tool more. Safe to repeat."""
    await service.find(db, caller, agent_id)
    await offered.check(AgentConfig(system_prompt="-", tools=[name]))
    attach = service.configured(tools.attached(name))
    changed = await service.change(db, caller, agent_id, attach, expected=expected)
    return answer(Seen(changed), response)


@router.delete(_TOOL)
async def detach_tool(
    caller: Caller,
    db: Database,
    offered: Offered,
    expected: Expected,
    agent_id: UUID,
    name: ToolName,
    response: Response,
) -> AgentOut:
    """Let an agent call one tool less; one that may call all there are is left with the others.

    Safe to repeat.
    """
    await service.find(db, caller, agent_id)
    there_are = [tool.name for tool in await offered.tools()]
    detach = service.configured(tools.detached(name, there_are))
    changed = await service.change(db, caller, agent_id, detach, expected=expected)
    return answer(Seen(changed), response)
