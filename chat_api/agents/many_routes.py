"""Making and deleting agents by the dozen; copies of them, also on other servers."""

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Body, Response

from chat_api.agents import service
from chat_api.agents.answers import answer
from chat_api.agents.offer import Offered
from chat_api.agents.rights import Seen
from chat_api.agents.schemas import (
    AgentIds,
    AgentOut,
    CopyOf,
    DeletedAgents,
    MadeAgents,
    NewAgents,
)
from chat_api.agents.service import Draft
from chat_api.agents.transfer import AgentDocument, AgentDocuments, ImportedAgent, ImportedAgents
from chat_api.auth.dependencies import Caller, Database

router = APIRouter(tags=["agents"])

_LONGEST_NAME: Final = 255
_COPY: Final = " (copy)"


@router.post("/agents/bulk", status_code=HTTPStatus.CREATED)
async def create_agents(caller: Caller, db: Database, offered: Offered, body: NewAgents) -> MadeAgents:
    """Make up to 100 agents, all of them or none; an error names the one that is wrong by its `index`."""
    agents = [agent.within(offered.most_tokens) for agent in body.agents]
    await offered.check_all([agent.config for agent in agents])
    made = await service.create(db, caller, [agent.draft for agent in agents])
    return MadeAgents(agents=[AgentOut.of(Seen(agent)) for agent in made])


@router.post("/agents/bulk-delete")
async def delete_agents(caller: Caller, db: Database, body: AgentIds) -> DeletedAgents:
    """Delete up to 100 agents of one's own, and say which of them there were."""
    wanted = dict.fromkeys(body.ids)
    deleted = await service.delete_all(db, caller, wanted)
    return DeletedAgents(
        deleted=[agent_id for agent_id in wanted if agent_id in deleted],
        not_found=[agent_id for agent_id in wanted if agent_id not in deleted],
    )


@router.post("/agents/{agent_id}/duplicate", status_code=HTTPStatus.CREATED)
async def duplicate_agent(
    caller: Caller,
    db: Database,
    agent_id: UUID,
    response: Response,
    body: Annotated[CopyOf, Body(default_factory=CopyOf)],
) -> AgentOut:
    """Make a copy of one's own of an agent that one may see."""
    draft = Draft.of((await service.find(db, caller, agent_id)).agent)
    name = body.name or draft.name[: _LONGEST_NAME - len(_COPY)] + _COPY
    copy = Draft(name, draft.config, draft.description, draft.metadata)
    [made] = await service.create(db, caller, [copy])
    return answer(Seen(made), response)


@router.get("/agents/{agent_id}/export")
async def export_agent(caller: Caller, db: Database, agent_id: UUID) -> AgentDocument:
    """An agent as a document that another server can import: no secrets, no ids."""
    return AgentDocument.of((await service.find(db, caller, agent_id)).agent)


@router.post("/agents/import", status_code=HTTPStatus.CREATED)
async def import_agents(
    caller: Caller, db: Database, offered: Offered, body: AgentDocuments
) -> ImportedAgents:
    """Make an agent of a document that was exported, or of each of a list; all of them or none.

    Tools that there are not are left out and named, as is a provider that there is not.
    """
    documents = body.documents
    fits = await offered.fitting([document.config for document in documents])
    drafts = [
        replace(document.draft, config=fit.config) for document, fit in zip(documents, fits, strict=True)
    ]
    made = await service.create(db, caller, drafts)
    return ImportedAgents(
        agents=[ImportedAgent.made(agent, fit) for agent, fit in zip(made, fits, strict=True)]
    )
