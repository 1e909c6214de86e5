"""Searching what was said."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query

from chat_api.auth.dependencies import Caller, Database
from chat_api.conversations import search
from chat_api.conversations.conversation_schemas import Found, FoundList
from chat_api.conversations.listing import AgentFilter
from chat_api.conversations.routes import Cursor, Since, Until

router = APIRouter(prefix="/api/v1/conversations", tags=["conversations"])


async def _query(
    q: Annotated[
        str,
        Query(
            min_length=1,
            max_length=search.LONGEST_QUERY,
            pattern=r"^[^\x00]*$",
            description='Words as for a web search: `"in this order"`, `this or that`, `-without`; the last '
            "may be the beginning of one",
            examples=["milk"],
        ),
    ],
    agent_id: Annotated[AgentFilter | None, Query(description="Only with this agent")] = None,
    role: Literal["user", "assistant"] | None = None,
    since: Since = None,
    until: Until = None,
) -> search.Query:
    return search.Query(q, agent_id, role, since, until)


@router.get("/search")
async def search_messages(
    caller: Caller,
    db: Database,
    query: Annotated[search.Query, Depends(_query)],
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=50)] = 20,
) -> FoundList:
    """One's own messages that have all the words, the best first, then the newest; archived ones, too."""
    found, more = await search.search(db, caller.owner, query, cursor=cursor, limit=limit)
    return FoundList(messages=[Found.of(row) for row in found], next_cursor=more)
