"""Reading conversations."""

from uuid import UUID

from sqlalchemy import any_, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Integer
from sqlmodel import col

from chat_api.conversations.branches import Leaf, Links, links_of, path_to
from chat_api.conversations.errors import MessageNotFound
from chat_api.conversations.models import Conversation, Message
from kit.errors import Problem
from kit.postgres import Db

__all__ = ["ConversationNotFound", "find_message", "get_owned", "list_messages"]


class ConversationNotFound(Problem):
    status = 404
    code = "conversation_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such conversation.")


async def list_messages(
    db: Db,
    user_id: UUID,
    conversation_id: UUID,
    *,
    after: int | None,
    limit: int,
    role: str | None = None,
    newest_first: bool = False,
    leaf: Leaf | None = None,
    onward: bool = False,
) -> tuple[list[tuple[Message, Links]], int | None]:
    """A page of messages behind position `after` in that order, and the position to go on from.

    `leaf`: only that message and what it follows; `onward`: and on to the newest that follows it. Raises
    ConversationNotFound for an id that is unknown or somebody else's, MessageNotFound for that of a leaf.
    """
    position = col(Message.position)
    page = (
        select(Message)
        .where(
            col(Message.user_id) == user_id,
            col(Message.conversation_id) == conversation_id,
            col(Message.deleted_at).is_(None),
        )
        .order_by(position.desc() if newest_first else position)
        .limit(limit + 1)
    )
    if after is not None:
        page = page.where(position < after if newest_first else position > after)
    if role is not None:
        page = page.where(col(Message.role) == role)
    async with db() as session:
        conversation = await get_owned(session, user_id, conversation_id)
        if leaf is not None and (conversation.branched or leaf != "newest"):
            # As one parameter, for there are at most 65,535.
            path = literal(await path_to(session, conversation, leaf, onward=onward), ARRAY(Integer))
            page = page.where(position == any_(path))
        found = list(await session.scalars(page))
        links = await links_of(session, conversation, [message.id for message in found])
    more = found[limit - 1].position if len(found) > limit else None
    return [(message, links[message.id]) for message in found[:limit]], more


async def find_message(
    db: Db, user_id: UUID, conversation_id: UUID, message_id: UUID
) -> tuple[Message, Links]:
    """A message of one's own conversation. Raises ConversationNotFound, MessageNotFound."""
    async with db() as session:
        conversation = await get_owned(session, user_id, conversation_id)
        message = await session.get(Message, message_id)
        if message is None or message.conversation_id != conversation_id or message.deleted_at is not None:
            raise MessageNotFound
        links = await links_of(session, conversation, [message_id])
    return message, links[message_id]


async def get_owned(session: AsyncSession, user_id: UUID, conversation_id: UUID) -> Conversation:
    """One's own conversation. Raises ConversationNotFound for one that is deleted, or somebody else's."""
    conversation = await session.get(Conversation, conversation_id)
    if conversation is None or conversation.user_id != user_id or conversation.deleted_at is not None:
        raise ConversationNotFound
    return conversation
