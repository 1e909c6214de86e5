"""Keeping conversations that were exported or come from elsewhere: each as a whole, or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from chat_api.auth.service import meet
from chat_api.conversations.feedback import KEPT_RATINGS
from chat_api.conversations.import_forms import FORMAT, VERSION, Head, Imported, Kept, Unfit, checked
from chat_api.conversations.import_reading import Malformed, lines_of, members_of
from chat_api.conversations.openai_lists import from_openai
from kit.errors import Problem
from kit.ids import new_id
from kit.postgres import Db
from kit.postgres.tables import now
from kit.tokens import Identity

__all__ = ["NothingImported", "Report", "import_all"]

_MOST_MESSAGES: Final = 100_000
_AT_ONCE: Final = 500
# An agent is only kept where the user may see it: what was exported may come from anywhere.
_CONVERSATION: Final = text(
    """
    INSERT INTO conversations (id, user_id, next_position, title, title_source, agent_id, metadata, branched,
        created_at, updated_at, archived_at, deleted_at)
    VALUES (:id, :user_id, :next_position, :title, :title_source,
        (SELECT agents.id FROM agents WHERE agents.id = :agent_id AND (
            agents.user_id = :user_id OR agents.everyone IS NOT NULL OR EXISTS (
                SELECT FROM agent_shares
                WHERE agent_shares.user_id = :user_id AND agent_shares.agent_id = agents.id
            )
        )), :metadata, :branched, :created_at, :updated_at, :archived_at, :deleted_at)
    RETURNING agent_id
    """
).bindparams(bindparam("metadata", type_=JSONB))
_MESSAGE: Final = text(
    """
    INSERT INTO messages (id, user_id, conversation_id, position, parent_position, role, content, status,
        tool_calls, rating, comment, rated_at, created_at, deleted_at)
    VALUES (:id, :user_id, :conversation_id, :position, :parent_position, :role, :content, :status,
        :tool_calls, :rating, :comment, :rated_at, :created_at, :deleted_at)
    """
).bindparams(bindparam("tool_calls", type_=JSONB))


class NothingImported(Problem):
    status = 422
    code = "nothing_imported"

    def __init__(self, errors: Sequence[dict[str, Any]]) -> None:
        super().__init__("Nothing was imported; details say why.", details={"errors": list(errors)})


@dataclass(slots=True)
class Report:
    """What became of each conversation, by its number among those that were sent."""

    imported: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    errors: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


async def import_all(db: Db, identity: Identity, body: str, *, lines: bool) -> Report:
    """Keep the conversations of `body`: one document, or one a line.

    Raises Malformed where it is one document and no JSON, NothingImported.
    """
    report = Report()
    for number, document in enumerate(lines_of(body) if lines else [body]):
        try:
            found = await _read(document)
            report.imported.append({"index": number, **await _keep(db, identity, found)})
        except Unfit as error:
            report.errors.append({"index": number, "message": str(error)})
        except Malformed:
            if not lines:
                raise
            report.errors.append({"index": number, "message": "The line is not a JSON object."})
    if not report.imported:
        raise NothingImported(report.errors)
    return report


async def _read(document: str) -> Imported:
    """Raises Malformed, Unfit."""
    fields: dict[str, Any] = {}
    messages: list[Any] = []
    async for name, value in members_of(document):
        if name is None:
            messages.append(value)
            if len(messages) > _MOST_MESSAGES:
                raise Unfit(f"There are more than {_MOST_MESSAGES:,} messages.")
        else:
            fields[name] = value
    if fields.get("messages") != []:
        raise Unfit("There is no list of messages.")
    return _converted(fields, messages)


def _converted(fields: dict[str, Any], messages: Sequence[Any]) -> Imported:
    """The conversation of a document, whose list of messages is apart. Raises Unfit."""
    if "format" not in fields:
        return from_openai(fields, messages)
    if fields["format"] != FORMAT or fields.get("version") != VERSION:
        raise Unfit(f"The format is not {FORMAT}, version {VERSION}.")
    found = Imported(checked(Head, fields.get("conversation") or {}, "conversation"))
    if (found.head.title is None) is not (found.head.title_source is None):
        found.head.title_source = None if found.head.title is None else "user"
    numbers: dict[str, int] = {}
    for number, given in enumerate(messages):
        where = f"messages[{number}]"
        message = checked(Kept, given, where)
        if message.parent_id is not None and message.parent_id not in numbers:
            raise Unfit(f"{where}: its parent_id is not the id of a message before it.")
        parent = None if message.parent_id is None else numbers[message.parent_id]
        follows_user = parent is not None and found.messages[parent].role == "user"
        if message.role == "assistant" and parent is not None and not follows_user:
            raise Unfit(f"{where}: an answer follows a message of the user.")
        numbers[message.id] = number
        found.messages.append(message)
        found.parents.append(parent)
    return found


async def _keep(db: Db, identity: Identity, found: Imported) -> dict[str, Any]:
    id_, at = new_id(), now()
    rows, next_position = _placed(found)
    head = found.head
    created = _past(head.created_at, at)
    conversation = {
        **head.model_dump(exclude={"agent_name"}),
        "id": id_,
        "user_id": identity.owner,
        "next_position": next_position,
        "branched": any(row["parent_position"] not in {None, row["position"] - 1} for row in rows)
        or sum(row["parent_position"] is None for row in rows) > 1,
        "created_at": created,
        "updated_at": max(created, _past(head.updated_at, at)),
    }
    async with db.begin() as session:
        await meet(session, identity)
        kept = await session.scalar(_CONVERSATION, conversation)
        await _insert(session, identity.owner, id_, rows, at)
    notes = list(found.notes)
    if head.agent_id is not None and kept is None:
        notes.append(
            f"Its agent, {head.agent_name or head.agent_id}, is none of yours: the default one answers."
        )
    return {"conversation_id": id_, "title": head.title, "messages": len(rows), "notes": notes}


async def _insert(
    session: AsyncSession, user_id: UUID, conversation_id: UUID, rows: Sequence[dict[str, Any]], at: datetime
) -> None:
    for begin in range(0, len(rows), _AT_ONCE):
        some = [
            {
                **row,
                "id": new_id(),
                "user_id": user_id,
                "conversation_id": conversation_id,
                "created_at": _past(row["created_at"], at),
            }
            for row in rows[begin : begin + _AT_ONCE]
        ]
        await session.execute(_MESSAGE, some)


def _placed(found: Imported) -> tuple[list[dict[str, Any]], int]:
    """The messages as rows, each in its place; and the place of the next turn.

    A turn has two places, the second of which is its answer's. Another answer to the same message has the
    second of a pair of its own.
    """
    places: list[int] = []
    rows: list[dict[str, Any]] = []
    next_position = 0
    for message, parent in zip(found.messages, found.parents, strict=True):
        follows = None if parent is None else places[parent]
        is_next = follows is not None and follows == next_position - 2
        if message.role == "assistant" and is_next and (not places or places[-1] == follows):
            place = next_position - 1
        else:
            place = next_position + (message.role == "assistant")
            next_position += 2
        if message.role == "user" and follows is not None and found.messages[parent or 0].role == "user":
            # The message before it has no answer: it follows the place of one.
            follows += 1
        places.append(place)
        rows.append(_row(message, place, follows))
    return rows, next_position


def _row(message: Kept, place: int, follows: int | None) -> dict[str, Any]:
    return {
        "position": place,
        "parent_position": follows,
        **message.model_dump(exclude={"id", "parent_id", "tool_calls", "rating"}),
        "tool_calls": [call.model_dump(exclude_unset=True) for call in message.tool_calls],
        "rating": message.rating and KEPT_RATINGS[message.rating],
    }


def _past(moment: datetime | None, at: datetime) -> datetime:
    return at if moment is None else min(moment, at)
