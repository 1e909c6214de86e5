"""Agents: assistants with a prompt, tools and rules of one's own."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final, TypeAlias, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from chat_api.agents import service, tools
from chat_api.agents.config import AgentConfig, ToolName
from chat_api.agents.models import Agent
from chat_api.agents.schemas import AgentChange, AgentList, AgentOut, AgentTools, NewAgent
from chat_api.auth.dependencies import Caller, Database
from chat_api.auth.schemas import Done
from chat_api.auth.service import Delegation
from chat_api.preconditions import Expected, etag
from chat_api.tools.bridge import ToolBridge
from chat_api.tools.schemas import ToolOut
from chat_api.tools.servers.others import OtherServers
from chat_api.tools.service import tools_of
from kit.tokens import Identity
from mcp_server.custom.catalogue import CustomTools

router = APIRouter(tags=["agents"])

_PATH: Final = "/agents"
_TOOL: Final = "/agents/{agent_id}/tools/{name}"


@dataclass(frozen=True, slots=True)
class Offer:
    """What there is for the caller: the tools, and the names of the other MCP servers."""

    request: Request
    caller: Identity

    async def tools(self) -> list[ToolOut]:
        """Raises ToolServerUnreachable."""
        state = self.request.state
        custom = cast("CustomTools | None", state.custom)
        names = () if custom is None else await custom.enabled()
        deputy = cast("Delegation", state.delegation).deputy(self.caller)
        return await tools_of(deputy, cast("ToolBridge", state.tools), names)

    async def check(self, config: AgentConfig) -> None:
        """Raises UnknownTools, ToolServerUnreachable."""
        if tools.named(config):
            servers = await cast("OtherServers", self.request.state.others).registry.of(self.caller.owner)
            tools.check(config, await self.tools(), [server.name for server in servers])


async def _offer(request: Request, caller: Caller) -> Offer:
    return Offer(request, caller)


Offered: TypeAlias = Annotated[Offer, Depends(_offer)]


@router.post(_PATH, status_code=HTTPStatus.CREATED)
async def create_agent(
    caller: Caller, db: Database, offered: Offered, body: NewAgent, response: Response
) -> AgentOut:
    """Make an assistant of one's own. Turns take it by its `agent_id`."""
    await offered.check(body.config)
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
    offered: Offered,
    agent_id: UUID,
    expected: Expected,
    body: AgentChange,
    response: Response,
) -> AgentOut:
    """Change an agent, which makes a new version; turns that run go on with theirs.

    With `If-Match`, only if nobody else has changed it meanwhile.
    """
    await offered.check(body.config)
    changed = await service.change(
        db, caller.owner, agent_id, body.applied, name=body.name, expected=expected
    )
    return _answer(changed, response)


@router.delete(f"{_PATH}/{{agent_id}}")
async def delete_agent(caller: Caller, db: Database, expected: Expected, agent_id: UUID) -> Done:
    """Delete an agent with its versions. Its conversations stay."""
    await service.delete(db, caller.owner, agent_id, expected=expected)
    return Done(message="Agent deleted successfully")


@router.get("/tools/{agent_id}", tags=["tools"])
async def list_tools_of_agent(caller: Caller, db: Database, offered: Offered, agent_id: UUID) -> AgentTools:
    """The tools that an agent may call, of those that there are."""
    agent = await service.find(db, caller.owner, agent_id)
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
    await service.find(db, caller.owner, agent_id)
    await offered.check(AgentConfig(system_prompt="-", tools=[name]))
    attach = tools.attached(name)
    return _answer(await service.change(db, caller.owner, agent_id, attach, expected=expected), response)


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
    await service.find(db, caller.owner, agent_id)
    there_are = [tool.name for tool in await offered.tools()]
    detach = tools.detached(name, there_are)
    return _answer(await service.change(db, caller.owner, agent_id, detach, expected=expected), response)


def _answer(agent: Agent, response: Response) -> AgentOut:
    response.headers["ETag"] = etag(agent.version)
    return AgentOut.of(agent)
