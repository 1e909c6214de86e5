"""Conversations as documents: one as JSON or Markdown, all of them a line each.

They are read some messages at a time, and no connection is held between: so they may be of any size, and
whoever takes them slowly keeps nobody else waiting.
"""

import json
import re
from collections import Counter
from collections.abc import AsyncGenerator, Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from sqlalchemy import Row, text

from chat_api.conversations.branches import Leaf, path_to
from chat_api.conversations.feedback import RATINGS
from chat_api.conversations.import_forms import FORMAT, VERSION
from chat_api.conversations.service import ConversationNotFound, get_owned
from kit.postgres import Db

__all__ = ["Way", "export_all", "export_json", "export_markdown", "file_name", "head_of", "way_of"]

Way: TypeAlias = Leaf | Literal["all"]

_AT_ONCE: Final = 50
_FENCE: Final = re.compile(r"^ {0,3}(`{3,})", re.MULTILINE)
# The name of the agent is for people, who may read the document where there is no such agent. That of one
# which its user may see no more is not told.
_HEAD: Final = text(
    """
    SELECT conversations.*, (
        SELECT name FROM agents WHERE agents.id = conversations.agent_id AND (
            agents.user_id = :user_id OR agents.everyone IS NOT NULL OR EXISTS (
                SELECT FROM agent_shares
                WHERE agent_shares.user_id = :user_id AND agent_shares.agent_id = agents.id
            )
        )
    ) AS agent_name
    FROM conversations WHERE id = :id AND user_id = :user_id
    """
)
_IDS: Final = """
    SELECT id FROM conversations
    WHERE user_id = :user_id {kept} AND (CAST(:after AS uuid) IS NULL OR id > :after)
    ORDER BY id LIMIT :n
"""
# A message that follows the place of an answer that there is none of, follows the message before it.
_MESSAGES: Final = text(
    """
    SELECT id, position, role, content, status, tool_calls, rating, comment, rated_at, created_at,
        deleted_at, (
        SELECT parent.id FROM messages AS parent
        WHERE parent.user_id = :user_id AND parent.conversation_id = :id
            AND parent.position BETWEEN messages.parent_position - 1 AND messages.parent_position
        ORDER BY parent.position DESC LIMIT 1
    ) AS parent_id
    FROM messages WHERE user_id = :user_id AND conversation_id = :id AND position > :after
    ORDER BY position LIMIT :n
    """
)


async def head_of(db: Db, user_id: UUID, conversation_id: UUID) -> Row[Any]:
    """One's own conversation that is not deleted. Raises ConversationNotFound."""
    rows = await db.run(_HEAD, {"user_id": user_id, "id": conversation_id})
    if not rows or rows[0].deleted_at is not None:
        raise ConversationNotFound
    return rows[0]


async def way_of(db: Db, head: Row[Any], way: Way) -> set[int] | None:
    """The positions of a branch, by its last message; None: all there are. Raises MessageNotFound."""
    if way == "all" or (way == "newest" and not head.branched):
        return None
    async with db() as session:
        return set(await path_to(session, await get_owned(session, head.user_id, head.id), way))


async def export_json(db: Db, head: Row[Any], wanted: Collection[int] | None = None) -> AsyncGenerator[bytes]:
    """The conversation with its messages, those at the positions wanted, as one line of JSON."""
    begun = {
        "format": FORMAT,
        "version": VERSION,
        "conversation": {
            "conversation_id": str(head.id),
            "title": head.title,
            "title_source": head.title_source,
            "agent_id": None if head.agent_id is None else str(head.agent_id),
            "agent_name": head.agent_name,
            "metadata": head.metadata,
            "created_at": _told(head.created_at),
            "updated_at": _told(head.updated_at),
            "archived_at": _told(head.archived_at),
            "deleted_at": _told(head.deleted_at),
        },
    }
    yield _json(begun)[:-1] + b',"messages":['
    is_first = True
    async for rows in _messages(db, head, wanted):
        said = b",".join(_json(_message(row)) for row in rows)
        yield said if is_first else b"," + said
        is_first = False
    yield b"]}\n"


async def export_all(db: Db, user_id: UUID, *, deleted: bool) -> AsyncGenerator[bytes]:
    """All of the user's conversations, the archived ones too, the oldest first, a line of JSON each."""
    statement = text(_IDS.format(kept="" if deleted else "AND deleted_at IS NULL"))
    after: UUID | None = None
    while True:
        rows = await db.run(statement, {"user_id": user_id, "after": after, "n": _AT_ONCE})
        for row in rows:
            after = row.id
            for head in await db.run(_HEAD, {"user_id": user_id, "id": row.id}):
                async for piece in export_json(db, head):
                    yield piece
        if len(rows) < _AT_ONCE:
            return


async def export_markdown(
    db: Db, head: Row[Any], wanted: Collection[int] | None = None
) -> AsyncGenerator[bytes]:
    """The messages at the positions wanted, to be read; one that takes the place of another says so."""
    title = " ".join((head.title or "Conversation").split())
    agent = head.agent_name or "the default assistant"
    yield f"# {title}\n\nWith {agent}, begun {_day(head.created_at)}.\n".encode()
    versions: Counter[UUID | None] = Counter()
    async for rows in _messages(db, head, wanted):
        for row in rows:
            if row.deleted_at is None:
                versions[row.parent_id] += 1
                yield _section(row, versions[row.parent_id]).encode()


async def _messages(db: Db, head: Row[Any], wanted: Collection[int] | None) -> AsyncGenerator[list[Row[Any]]]:
    """Some at a time, none of them empty."""
    after = -1
    while True:
        parameters = {"user_id": head.user_id, "id": head.id, "after": after, "n": _AT_ONCE}
        rows = await db.run(_MESSAGES, parameters)
        if found := [row for row in rows if wanted is None or row.position in wanted]:
            yield found
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1].position


def _message(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "parent_id": None if row.parent_id is None else str(row.parent_id),
        "role": row.role,
        "content": row.content,
        "status": row.status,
        "tool_calls": row.tool_calls,
        "rating": None if row.rating is None else RATINGS[row.rating],
        "comment": row.comment,
        "rated_at": _told(row.rated_at),
        "created_at": _told(row.created_at),
        "deleted_at": _told(row.deleted_at),
    }


def _section(row: Row[Any], version: int) -> str:
    who = "You" if row.role == "user" else "Assistant"
    state = "" if row.status == "completed" else f", {row.status}"
    state += f", version {version}" if version > 1 else ""
    calls = "".join(_call(call) for call in row.tool_calls)
    said = f"\n{row.content}\n" if row.content else ""
    return f"\n## {who}, {_day(row.created_at)}{state}\n{calls}{said}"


def _call(call: Mapping[str, Any]) -> str:
    came = f"Error: {call['error']}" if call.get("error") else _pretty(call.get("result"))
    body = f"{_pretty(call['args'])}\n→ {came}"
    fence = "`" * max([3, *(len(found) + 1 for found in _FENCE.findall(body))])
    return f"\n{fence} {call['tool']}\n{body}\n{fence}\n"


def _pretty(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _told(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def file_name(title: str | None, ending: str) -> str:
    """A name that every file system takes: plain letters of the title, or `conversation`."""
    plain = re.sub(r"[^a-z0-9]+", "-", (title or "").lower()).strip("-")[:60].strip("-")
    return f"{plain or 'conversation'}.{ending}"
