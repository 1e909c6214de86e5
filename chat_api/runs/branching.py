"""Turns that do not follow the newest one: an edited message, another answer to the same."""

from typing import Literal
from uuid import UUID

from sqlalchemy import case, select
from sqlmodel import col

from chat_api.agents.config import ModelOptions
from chat_api.conversations.models import Conversation, Message
from chat_api.runs import service
from chat_api.runs.acknowledge import Branch, Started
from chat_api.runs.acknowledge import Message as NewMessage
from chat_api.runs.asking import Edit, Regeneration
from chat_api.runs.models import Run
from chat_api.runs.worker import Drive, Worker
from kit.postgres import Db
from kit.tokens import Identity

__all__ = ["edit", "regenerate"]


async def edit(
    worker: Worker, identity: Identity, place: tuple[UUID, UUID], request: Edit, key: str | None
) -> tuple[Started, Drive | None]:
    """Say something else in place of a message of the user's, which stays, with all that follows it.

    `place` are the ids of the conversation and of the message. Raises what `service.start` does.
    """
    return await _begin(worker, identity, place, request, Branch("edit", place[1]), key)


async def regenerate(
    worker: Worker, identity: Identity, place: tuple[UUID, UUID], request: Regeneration, key: str | None
) -> tuple[Started, Drive | None]:
    """Answer a message of the user's anew, or that which an answer is to. The answers before stay.

    `place` are the ids of the conversation and of the message. Raises what `service.start` does.
    """
    return await _begin(worker, identity, place, request, Branch("again", place[1]), key)


async def _begin(
    worker: Worker,
    identity: Identity,
    place: tuple[UUID, UUID],
    request: Regeneration,
    branch: Branch,
    key: str | None,
) -> tuple[Started, Drive | None]:
    conversation_id, message_id = place
    db = worker.deps.db
    agent_id = request.agent_id or await _agent_of(db, identity.owner, place)
    what = {"message", "agent_id", *ModelOptions.model_fields}
    said = request.model_dump(mode="json", include=what, exclude_none=True)
    asked = said | {branch.how: str(message_id), "conversation_id": str(conversation_id)}
    message = NewMessage(
        content=request.message if isinstance(request, Edit) else "",
        conversation_id=conversation_id,
        agent=await service.agent_for(db, identity, agent_id, key),
        options=request.of_turn(),
        branch=branch,
        if_busy=request.if_busy,
        key=key,
        request_hash=service.digest(asked) if key is not None else None,
    )
    return await service.take(worker, identity, message)


async def _agent_of(db: Db, user_id: UUID, place: tuple[UUID, UUID]) -> UUID | Literal["default"]:
    """Who has answered at a message, or else in its conversation; the default assistant where nobody has."""
    answered = (
        select(case((col(Message.run_id).is_(None), col(Conversation.agent_id)), else_=col(Run.agent_id)))
        .select_from(Message)
        .join(Conversation, col(Conversation.id) == col(Message.conversation_id))
        .outerjoin(Run, col(Run.id) == col(Message.run_id))
        .where(
            col(Message.id) == place[1],
            col(Message.user_id) == user_id,
            col(Message.conversation_id) == place[0],
        )
    )
    async with db() as session:
        return await session.scalar(answered) or "default"
