"""Threads: conversations, by the agent that they are with."""

from typing import Annotated, Any, Final, Self
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy import Row

from chat_api.agents import service as agents
from chat_api.auth.dependencies import Caller
from chat_api.auth.schemas import Done
from chat_api.conversations.conversation_schemas import ConversationOut
from chat_api.conversations.listing import AgentFilter, Status, Wanted, find, list_threads, rows_of
from chat_api.conversations.schemas import MessageOut
from chat_api.conversations.service import ConversationNotFound, list_messages
from chat_api.runs.conversation_routes import HardDelete, delete
from chat_api.runs.routes import Working
from kit.postgres import Db
from kit.tokens import Identity

router = APIRouter(tags=["agents"])

_PATH: Final = "/agents/{agent_id}/threads"
_ONE: Final = f"{_PATH}/{{thread_id}}"
_MOST_MESSAGES: Final = 1000


class ThreadOut(ConversationOut):
    """A conversation, under the name that it has beside agents."""

    thread_id: UUID

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        return cls(thread_id=row.id, **ConversationOut.of(row).model_dump())


class ThreadList(BaseModel):
    threads: list[ThreadOut]
    total: int
    limit: int
    offset: int


class Thread(ThreadOut):
    messages: list[MessageOut]
    next_cursor: str | None


@router.get(_PATH)
async def list_threads_of_agent(
    caller: Caller,
    worker: Working,
    agent_id: AgentFilter,
    status: Status = "active",
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> ThreadList:
    """One's conversations with an agent, those with the newest turn first; `default` is an agent, too."""
    db = worker.deps.db
    await _check(db, caller, agent_id)
    page = await list_threads(db, caller.owner, Wanted(status, agent_id), limit=limit, offset=offset)
    threads = [ThreadOut.of(row) for row in page.rows]
    return ThreadList(threads=threads, total=page.total or 0, limit=limit, offset=offset)


@router.get(_ONE)
async def get_thread(caller: Caller, worker: Working, agent_id: AgentFilter, thread_id: UUID) -> Thread:
    """A conversation with its messages.

    After 1,000 of them, `next_cursor` is where `/api/v1/conversations/{conversation_id}/messages` goes on.
    """
    db = worker.deps.db
    await _check(db, caller, agent_id)
    row = _with(agent_id, await find(db, caller.owner, thread_id))
    found, more = await list_messages(db, caller.owner, thread_id, after=None, limit=_MOST_MESSAGES)
    return Thread(
        **ThreadOut.of(row).model_dump(),
        messages=[MessageOut.of(message, links) for message, links in found],
        next_cursor=None if more is None else str(more),
    )


@router.delete(_ONE)
async def delete_thread(
    caller: Caller,
    worker: Working,
    agent_id: AgentFilter,
    thread_id: UUID,
    hard_delete: HardDelete = False,  # noqa: FBT002
) -> Done:
    """Delete a conversation with an agent, which can be restored for a while; or for good."""
    await _check(worker.deps.db, caller, agent_id)
    rows = await rows_of(worker.deps.db, caller.owner, [thread_id])
    if not rows:
        raise ConversationNotFound
    _with(agent_id, rows[0])
    if not await delete(worker, caller.owner, [thread_id], for_good=hard_delete):
        raise ConversationNotFound
    return Done(message="Thread deleted successfully")


async def _check(db: Db, caller: Identity, agent_id: AgentFilter) -> None:
    if agent_id != "default":
        await agents.find(db, caller, agent_id)


def _with(agent_id: AgentFilter, row: Row[Any]) -> Row[Any]:
    """The conversation, if it is with this agent. Raises ConversationNotFound."""
    if row.agent_id != (None if agent_id == "default" else agent_id):
        raise ConversationNotFound
    return row
