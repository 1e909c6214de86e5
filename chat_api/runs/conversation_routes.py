"""Conversations where agents and turns are concerned: making them, deleting them."""

from http import HTTPStatus
from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Query

from chat_api.agents import service as agents
from chat_api.auth.dependencies import Caller
from chat_api.auth.schemas import Done
from chat_api.conversations import keeping
from chat_api.conversations.conversation_schemas import (
    Bulk,
    BulkDone,
    BulkResult,
    ConversationOut,
    NewConversation,
)
from chat_api.conversations.listing import find
from chat_api.conversations.service import ConversationNotFound
from chat_api.runs.erasing import erase
from chat_api.runs.routes import Working
from chat_api.runs.worker import Worker

__all__ = ["HardDelete", "delete", "router"]

router = APIRouter(prefix="/api/v1/conversations", tags=["conversations"])

HardDelete: TypeAlias = Annotated[bool, Query(description="For good, also one that is deleted already")]


@router.post("", status_code=HTTPStatus.CREATED)
async def create_conversation(caller: Caller, worker: Working, body: NewConversation) -> ConversationOut:
    """Make a conversation that nothing is said in yet. Turns go into it by its `conversation_id`."""
    db = worker.deps.db
    agent_id = None if body.agent_id == "default" else body.agent_id
    if agent_id is not None:
        await agents.find(db, caller, agent_id)
    made = await keeping.create(db, caller, title=body.title, agent_id=agent_id, metadata=body.metadata)
    return ConversationOut.of(await find(db, caller.owner, made))


@router.delete("/{conversation_id}")
async def delete_conversation(
    caller: Caller,
    worker: Working,
    conversation_id: UUID,
    hard_delete: HardDelete = False,  # noqa: FBT002
) -> Done:
    """Delete a conversation, which can be restored for a while; or for good, with all that was said."""
    if conversation_id not in await delete(worker, caller.owner, [conversation_id], for_good=hard_delete):
        raise ConversationNotFound
    return Done(message="Conversation deleted successfully")


@router.post("/bulk")
async def change_many(caller: Caller, worker: Working, body: Bulk) -> BulkDone:
    """Archive, delete or restore up to 100 conversations; the answer says what became of each."""
    if body.action == "hard_delete":
        done = await erase(worker, caller.owner, body.ids)
    else:
        done = await keeping.move(worker.deps.db, caller.owner, body.ids, body.action)
    results = [_result(id_, is_done=id_ in done) for id_ in dict.fromkeys(body.ids)]
    return BulkDone(results=results, succeeded=len(done), failed=len(results) - len(done))


async def delete(worker: Worker, user_id: UUID, ids: list[UUID], *, for_good: bool) -> set[UUID]:
    """Delete the user's conversations of these ids; those that there were."""
    if for_good:
        return await erase(worker, user_id, ids)
    return await keeping.move(worker.deps.db, user_id, ids, "delete")


def _result(id_: UUID, *, is_done: bool) -> BulkResult:
    code = None if is_done else "conversation_not_found"
    return BulkResult(conversation_id=id_, success=is_done, code=code)
