"""Turns at a message of a conversation: edited, answered anew; and what is deleted of it."""

from functools import partial
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from chat_api.auth.dependencies import Caller, Database
from chat_api.auth.limits import for_turns
from chat_api.auth.schemas import Done
from chat_api.runs import branching, deleting
from chat_api.runs.asking import Edit, Regeneration
from chat_api.runs.chat_routes import ANSWERS, Asked, Key, Prefer, answered
from chat_api.runs.routes import Working
from chat_api.runs.schemas import ChatResponse

__all__ = ["deletions", "router"]

router = APIRouter(prefix="/api/v1/conversations", tags=["conversations"], dependencies=[Depends(for_turns)])

# Counted with what changes other things.
deletions = APIRouter(prefix="/api/v1/conversations", tags=["conversations"])

_MESSAGE: Final = "/{conversation_id}/messages/{message_id}"


@router.post(f"{_MESSAGE}/edit", response_model=ChatResponse, responses=ANSWERS)
async def edit_message(
    request: Request,
    caller: Caller,
    worker: Working,
    conversation_id: UUID,
    message_id: UUID,
    body: Edit,
    idempotency_key: Key = None,
    prefer: Prefer = "",
) -> Response | ChatResponse:
    """Say something else in place of what was said, as a new branch. It is answered as `chat` answers."""
    place = (conversation_id, message_id)
    begin = partial(branching.edit, worker, caller, place, body, idempotency_key)
    return await answered(Asked(request, caller, worker, body, idempotency_key, prefer), begin)


@router.post(f"{_MESSAGE}/regenerate", response_model=ChatResponse, responses=ANSWERS)
async def regenerate_answer(
    request: Request,
    caller: Caller,
    worker: Working,
    conversation_id: UUID,
    message_id: UUID,
    body: Regeneration,
    idempotency_key: Key = None,
    prefer: Prefer = "",
) -> Response | ChatResponse:
    """Have another answer: to a message of the user's, or to that which an answer is to."""
    place = (conversation_id, message_id)
    begin = partial(branching.regenerate, worker, caller, place, body, idempotency_key)
    return await answered(Asked(request, caller, worker, body, idempotency_key, prefer), begin)


@deletions.delete(_MESSAGE)
async def delete_message(
    caller: Caller,
    db: Database,
    conversation_id: UUID,
    message_id: UUID,
    scope: Annotated[
        Literal["message", "turn"],
        Query(description="`turn`: with what it answers, or with all answers to it"),
    ] = "message",
) -> Done:
    """Erase what was said. What follows it stays, and models are no longer told of it."""
    await deleting.delete_message(db, caller.owner, conversation_id, message_id, turn=scope == "turn")
    return Done(message="Message deleted successfully")
