"""Conversations: listing, naming, archiving, restoring them."""

from typing import Annotated, Final, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime

from chat_api.auth.dependencies import Caller, Database
from chat_api.conversations import keeping
from chat_api.conversations.conversation_schemas import ConversationChange, ConversationList, ConversationOut
from chat_api.conversations.listing import AgentFilter, Sort, Status, Wanted, find, list_conversations
from chat_api.conversations.service import ConversationNotFound
from kit.paging import LONGEST_CURSOR
from kit.postgres import Db
from kit.tokens import Identity

__all__ = ["Cursor", "Since", "Until", "router"]

router = APIRouter(prefix="/api/v1/conversations", tags=["conversations"])

_ONE: Final = "/{conversation_id}"
Cursor: TypeAlias = Annotated[
    str | None, Query(max_length=LONGEST_CURSOR, description="`next_cursor` of the page before")
]
Since: TypeAlias = Annotated[AwareDatetime | None, Query(description="From then on")]
Until: TypeAlias = Annotated[AwareDatetime | None, Query(description="Before then")]


async def _wanted(
    status: Status = "active",
    agent_id: Annotated[AgentFilter | None, Query(description="Only those with this agent")] = None,
    since: Since = None,
    until: Until = None,
    sort: Annotated[Sort, Query(description="By what; with `-` the newest, or last, first")] = "-updated_at",
) -> Wanted:
    return Wanted(status, agent_id, since, until, sort)


@router.get("")
async def list_own(
    caller: Caller,
    db: Database,
    wanted: Annotated[Wanted, Depends(_wanted)],
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    total: Annotated[bool, Query(description="Count them")] = False,  # noqa: FBT002
) -> ConversationList:
    """One's own conversations, those with the newest turn first.

    `since` and `until` are about `updated_at`. Each comes once, whatever is said while they are read.
    """
    page = await list_conversations(db, caller.owner, wanted, cursor=cursor, limit=limit, count=total)
    return ConversationList(
        conversations=[ConversationOut.of(row) for row in page.rows],
        next_cursor=page.next_cursor,
        total=page.total,
    )


@router.get(_ONE)
async def get_conversation(caller: Caller, db: Database, conversation_id: UUID) -> ConversationOut:
    """One conversation."""
    return ConversationOut.of(await find(db, caller.owner, conversation_id))


@router.patch(_ONE)
async def change_conversation(
    caller: Caller, db: Database, conversation_id: UUID, body: ConversationChange
) -> ConversationOut:
    """Name, archive or describe a conversation. A title that is given is kept."""
    await keeping.change(
        db,
        caller.owner,
        conversation_id,
        title=body.title,
        metadata=body.metadata,
        archived=body.archived,
    )
    return ConversationOut.of(await find(db, caller.owner, conversation_id))


@router.post(f"{_ONE}/archive")
async def archive(caller: Caller, db: Database, conversation_id: UUID) -> ConversationOut:
    """Put a conversation away; it can be gone on with all the same. Safe to repeat."""
    return await _moved(db, caller, conversation_id, "archive")


@router.post(f"{_ONE}/unarchive")
async def unarchive(caller: Caller, db: Database, conversation_id: UUID) -> ConversationOut:
    """Take a conversation out of the archive. Safe to repeat."""
    return await _moved(db, caller, conversation_id, "unarchive")


@router.post(f"{_ONE}/restore")
async def restore(caller: Caller, db: Database, conversation_id: UUID) -> ConversationOut:
    """Take back that a conversation was deleted, as it was before. Safe to repeat."""
    return await _moved(db, caller, conversation_id, "restore")


async def _moved(db: Db, caller: Identity, id_: UUID, action: keeping.Action) -> ConversationOut:
    if not await keeping.move(db, caller.owner, [id_], action):
        raise ConversationNotFound
    return ConversationOut.of(await find(db, caller.owner, id_))
