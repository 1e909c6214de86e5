"""One's own conversations in pages, each of them once, however much is said meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Row, TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from chat_api.conversations.service import ConversationNotFound
from kit.paging import InvalidCursor, read_cursor, write_cursor
from kit.postgres import Db
from kit.postgres.tables import now

__all__ = [
    "AgentFilter",
    "Page",
    "Sort",
    "Status",
    "Wanted",
    "find",
    "list_conversations",
    "list_threads",
    "rows_of",
    "status_of",
]

Status: TypeAlias = Literal["active", "archived", "deleted"]
Sort: TypeAlias = Literal["updated_at", "-updated_at", "created_at", "-created_at", "title", "-title"]
AgentFilter: TypeAlias = UUID | Literal["default"]

_MOST_RECENT: Final = 60  # whose ids fit in a cursor
_SETTLING: Final = timedelta(seconds=10)
"""How much later a turn may be seen than its time says: clocks of replicas differ, commits take a moment."""

_STATES: Final[dict[Status, str]] = {
    "active": "deleted_at IS NULL AND archived_at IS NULL",
    "archived": "deleted_at IS NULL AND archived_at IS NOT NULL",
    "deleted": "deleted_at IS NOT NULL",
}
_ITEMS: Final = text(
    """
    SELECT conversations.*, last.role AS last_role, last.preview AS last_preview, last.created_at AS last_at
    FROM conversations LEFT JOIN LATERAL (
        SELECT role, left(content, 200) AS preview, created_at FROM messages
        WHERE user_id = :user_id AND conversation_id = conversations.id AND deleted_at IS NULL
        ORDER BY position DESC LIMIT 1
    ) AS last ON true
    WHERE conversations.user_id = :user_id AND conversations.id = ANY(:ids)
    """
).bindparams(bindparam("ids", type_=ARRAY(PG_UUID(as_uuid=True))))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which conversations, in which order. `since` and `until` are about when something was last said."""

    status: Status = "active"
    agent: AgentFilter | None = None
    since: datetime | None = None
    until: datetime | None = None
    sort: Sort = "-updated_at"

    @property
    def hash(self) -> str:
        """What a cursor of this list is known by."""
        said = f"{self.status} {self.agent} {self.since} {self.until} {self.sort}"
        return sha256(said.encode()).hexdigest()[:8]

    @property
    def order(self) -> tuple[str, str]:
        """The direction, and how what comes later compares."""
        return ("DESC", "<") if self.sort.startswith("-") else ("ASC", ">")

    def conditions(self, moment: str = "updated_at") -> str:
        found = ["user_id = :user_id", _STATES[self.status]]
        if self.agent is not None:
            found.append("agent_id IS NULL" if self.agent == "default" else "agent_id = :agent")
        if self.since is not None:
            found.append(f"{moment} >= :since")
        if self.until is not None:
            found.append(f"{moment} < :until")
        return " AND ".join(found)

    def parameters(self, user_id: UUID) -> dict[str, Any]:
        return {"user_id": user_id, "agent": self.agent, "since": self.since, "until": self.until}


@dataclass(frozen=True, slots=True)
class Page:
    rows: Sequence[Row[Any]]
    next_cursor: str | None
    total: int | None = None


class _Place(BaseModel):
    """Where a page ended: in which list, and behind what."""

    model_config = ConfigDict(extra="forbid")

    of: str
    title: str | None = None
    at: AwareDatetime | None = None
    id: UUID | None = None


class _Moving(BaseModel):
    """Where a page of the list by last turn ended, which is as it was at `horizon`.

    What was said later than that is `recent`, in the order in which it is shown, `shown` of it so far; all
    else goes by when it was last said at `horizon`, up to `value` and `id`.
    """

    model_config = ConfigDict(extra="forbid")

    of: str
    horizon: AwareDatetime
    recent: list[UUID] = Field(max_length=_MOST_RECENT)
    shown: int = Field(default=0, ge=0, le=_MOST_RECENT)
    value: AwareDatetime | None = None
    id: UUID | None = None


async def list_conversations(
    db: Db, user_id: UUID, wanted: Wanted, *, cursor: str | None, limit: int, count: bool = False
) -> Page:
    """A page of one's own conversations, with how many there are in all if they are to be counted.

    No conversation comes twice, and none that was there at the first page is left out, unless it has left
    the list, or its title was changed in a list by title. Raises InvalidCursor.
    """
    if wanted.sort.endswith("updated_at"):
        ids, following = await _by_turn(db, user_id, wanted, cursor, limit)
    else:
        ids, following = await _by_column(db, user_id, wanted, cursor, limit)
    total = None
    if count:
        counted = text(f"SELECT count(*) FROM conversations WHERE {wanted.conditions()}")  # noqa: S608
        total = (await db.run(counted, wanted.parameters(user_id)))[0][0]
    rows = [row for row in await rows_of(db, user_id, ids) if status_of(row) == wanted.status]
    return Page(rows, following, total)


async def list_threads(db: Db, user_id: UUID, wanted: Wanted, *, limit: int, offset: int) -> Page:
    """The page after `offset` others, and how many there are in all."""
    where = wanted.conditions()
    parameters = wanted.parameters(user_id)
    counted = text(f"SELECT count(*) FROM conversations WHERE {where}")  # noqa: S608
    page = text(
        f"SELECT id FROM conversations WHERE {where} ORDER BY updated_at DESC, id DESC LIMIT :n OFFSET :m"  # noqa: S608
    )
    total = (await db.run(counted, parameters))[0][0]
    ids = [row.id for row in await db.run(page, parameters | {"n": limit, "m": offset})]
    return Page(await rows_of(db, user_id, ids), None, total)


def status_of(row: Row[Any]) -> Status:
    if row.deleted_at is not None:
        return "deleted"
    return "active" if row.archived_at is None else "archived"


async def find(db: Db, user_id: UUID, conversation_id: UUID) -> Row[Any]:
    """One's own conversation that is not deleted. Raises ConversationNotFound."""
    rows = await rows_of(db, user_id, [conversation_id])
    if not rows or rows[0].deleted_at is not None:
        raise ConversationNotFound
    return rows[0]


async def rows_of(db: Db, user_id: UUID, ids: Sequence[UUID]) -> list[Row[Any]]:
    """The user's conversations of these ids, in this order, each with the last that was said."""
    found = {row.id: row for row in await db.run(_ITEMS, {"user_id": user_id, "ids": list(ids)})}
    return [found[id_] for id_ in ids if id_ in found]


async def _by_column(
    db: Db, user_id: UUID, wanted: Wanted, cursor: str | None, limit: int
) -> tuple[list[UUID], str | None]:
    place = _Place(of=wanted.hash) if cursor is None else read_cursor(_Place, cursor)
    by_title = wanted.sort.endswith("title")
    behind = place.title if by_title else place.at
    if place.of != wanted.hash or (cursor is not None and behind is None):
        raise InvalidCursor
    if place.title is not None and "\x00" in place.title:
        raise InvalidCursor
    direction, later = wanted.order
    value = "coalesce(title, '')" if by_title else "created_at"
    after = "" if cursor is None else f"AND ({value}, id) {later} (:value, :id)"
    statement = text(
        f"""
        SELECT id, {value} AS value FROM conversations WHERE {wanted.conditions()} {after}
        ORDER BY {value} {direction}, id {direction} LIMIT :n
        """  # noqa: S608
    )
    parameters = {**wanted.parameters(user_id), "value": behind, "id": place.id, "n": limit + 1}
    rows = await db.run(statement, parameters)
    following = None
    if len(rows) > limit:
        last = rows[limit - 1]
        place = _Place(of=wanted.hash, id=last.id)
        if by_title:
            place.title = last.value
        else:
            place.at = last.value
        following = write_cursor(place)
    return [row.id for row in rows[:limit]], following


async def _by_turn(
    db: Db, user_id: UUID, wanted: Wanted, cursor: str | None, limit: int
) -> tuple[list[UUID], str | None]:
    place = await _begin(db, user_id, wanted) if cursor is None else read_cursor(_Moving, cursor)
    if place.of != wanted.hash or (place.value is None) is not (place.id is None):
        raise InvalidCursor
    recent = [(id_, None) for id_ in place.recent[place.shown :]]
    settled = [
        (row.id, row.value)
        for row in await db.run(
            _settled(wanted, first=place.id is None),
            {
                **wanted.parameters(user_id),
                "horizon": place.horizon,
                "recent": place.recent,
                "value": place.value,
                "id": place.id,
                "n": limit + 1,
            },
        )
    ]
    found = [*recent, *settled] if wanted.sort.startswith("-") else [*settled, *recent]
    for id_, value in found[:limit]:
        if value is None:
            place.shown += 1
        else:
            place.value, place.id = value, id_
    return [id_ for id_, _ in found[:limit]], write_cursor(place) if len(found) > limit else None


async def _begin(db: Db, user_id: UUID, wanted: Wanted) -> _Moving:
    """What the pages are of, from now on."""
    horizon = now() - _SETTLING
    statement = text(
        f"""
        SELECT id, updated_at FROM conversations WHERE {wanted.conditions()} AND updated_at > :horizon
        ORDER BY updated_at DESC, id DESC LIMIT :n
        """  # noqa: S608
    )
    parameters = {**wanted.parameters(user_id), "horizon": horizon, "n": _MOST_RECENT + 1}
    rows = await db.run(statement, parameters)
    if len(rows) > _MOST_RECENT:
        horizon = rows[-1].updated_at
    ids = [row.id for row in rows if row.updated_at > horizon]
    return _Moving(of=wanted.hash, horizon=horizon, recent=ids if wanted.sort.startswith("-") else ids[::-1])


def _settled(wanted: Wanted, *, first: bool) -> TextClause:
    """The list as it was at the horizon: most by one index, and with it the few that moved on since."""
    direction, later = wanted.order
    after, after_settled = (
        "true" if first else f"({moment}, id) {later} (:value, :id)" for moment in ("value", "updated_at")
    )
    return text(
        f"""
        SELECT id, value FROM (
            (SELECT id, updated_at AS value FROM conversations
            WHERE {wanted.conditions()} AND updated_at <= :horizon AND {after_settled}
            ORDER BY updated_at {direction}, id {direction} LIMIT :n)
            UNION ALL
            SELECT id, value FROM conversations, LATERAL (
                SELECT greatest(
                    created_at,
                    (SELECT max(runs.created_at) FROM runs WHERE user_id = :user_id
                        AND conversation_id = conversations.id AND runs.created_at <= :horizon),
                    (SELECT messages.created_at FROM messages WHERE user_id = :user_id
                        AND conversation_id = conversations.id AND role = 'user'
                        AND messages.created_at <= :horizon ORDER BY position DESC LIMIT 1)
                ) AS value
            ) AS was
            WHERE {wanted.conditions("value")} AND updated_at > :horizon AND created_at <= :horizon
                AND id <> ALL(:recent) AND {after}
        ) AS found
        ORDER BY value {direction}, id {direction} LIMIT :n
        """  # noqa: S608
    ).bindparams(bindparam("recent", type_=ARRAY(PG_UUID(as_uuid=True))))
