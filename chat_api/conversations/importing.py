"""Keeping conversations that were exported or come from elsewhere: each as a whole, or not at all."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from chat_api.auth.service import meet
from chat_api.conversations.crowding import room_in
from chat_api.conversations.feedback import KEPT_RATINGS
from chat_api.conversations.import_forms import Imported, Kept, Restoring, Unfit
from chat_api.conversations.import_reading import Malformed, lines_of, members_of
from chat_api.conversations.openai_lists import Listing
from kit.errors import Problem
from kit.ids import new_id
from kit.postgres import Db
from kit.postgres.tables import now
from kit.tokens import Identity

__all__ = ["NothingImported", "Report", "import_all"]

_MOST_MESSAGES: Final = 100_000
_MOST_CONVERSATIONS: Final = 10_000
_MOST_ERRORS: Final = 100
_A_WHILE: Final = 100
"""Messages that are made sense of, or sent to the database, before others have their turn."""

_NOT_READ: Final = (
    "This line and those after it were not read: an import has at most "
    f"{_MOST_CONVERSATIONS:,} conversations, and ends after {_MOST_ERRORS} errors."
)

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
        if number == _MOST_CONVERSATIONS or len(report.errors) == _MOST_ERRORS:
            report.errors.append({"index": number, "message": _NOT_READ})
            break
        await asyncio.sleep(0)
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
    adding = Listing(fields) if "format" not in fields else Restoring(fields)
    for number, message in enumerate(messages):
        adding.add(message, f"messages[{number}]")
        if number % _A_WHILE == 0:
            await asyncio.sleep(0)
    return adding.end()


async def _keep(db: Db, identity: Identity, found: Imported) -> dict[str, Any]:
    id_, at = new_id(), now()
    places, next_position = _places(found)
    head = found.head
    created = head.created_at or at
    conversation = {
        **head.model_dump(exclude={"agent_name"}),
        "id": id_,
        "user_id": identity.owner,
        "next_position": next_position,
        "branched": any(place.follows not in {None, place.position - 1} for place in places)
        or sum(place.follows is None for place in places) > 1,
        "created_at": created,
        "updated_at": max(created, head.updated_at or at),
    }
    whose = {"user_id": identity.owner, "conversation_id": id_}
    async with room_in(db), db.begin() as session:
        await meet(session, identity)
        kept = await session.scalar(_CONVERSATION, conversation)
        for begin in range(0, len(places), _A_WHILE):
            some = zip(
                found.messages[begin : begin + _A_WHILE], places[begin : begin + _A_WHILE], strict=True
            )
            await session.execute(_MESSAGE, [_row(message, place, at) | whose for message, place in some])
    notes = list(found.notes)
    if head.agent_id is not None and kept is None:
        notes.append(
            f"Its agent, {head.agent_name or head.agent_id}, is none of yours: the default one answers."
        )
    return {"conversation_id": id_, "title": head.title, "messages": len(places), "notes": notes}


class _Place(NamedTuple):
    position: int
    follows: int | None


def _places(found: Imported) -> tuple[list[_Place], int]:
    """The places of the messages, and that of the next turn.

    A turn has two places, the second of which is its answer's. Another answer to the same message has the
    second of a pair of its own.
    """
    places: list[_Place] = []
    taken: set[int] = set()
    next_position = 0
    for message, parent in zip(found.messages, found.parents, strict=True):
        follows = None if parent is None else places[parent].position
        is_answer = message.role == "assistant"
        if is_answer and places and follows == places[-1].position == next_position - 2:
            position = next_position - 1
        else:
            position = next_position + is_answer
            next_position += 2
        taken.add(position)
        if not is_answer and follows is not None and follows % 2 == 0 and follows + 1 not in taken:
            # The message before it has no answer: it follows the place of one.
            follows += 1
        places.append(_Place(position, follows))
    return places, next_position


def _row(message: Kept, place: _Place, at: datetime) -> dict[str, Any]:
    return {
        **message.model_dump(exclude={"id", "parent_id", "tool_calls", "rating"}),
        "id": new_id(),
        "position": place.position,
        "parent_position": place.follows,
        "tool_calls": [call.model_dump(exclude_unset=True) for call in message.tool_calls],
        "rating": message.rating and KEPT_RATINGS[message.rating],
        "created_at": message.created_at or at,
    }
