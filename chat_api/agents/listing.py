"""Listing agents: one's own, those that are shared with one, and everybody's."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, BaseModel
from sqlalchemy import ColumnElement, Select, func, or_, select, tuple_, union
from sqlalchemy.orm import Mapped
from sqlmodel import col

from chat_api.agents.config import Text
from chat_api.agents.models import Agent, AgentShare
from chat_api.agents.rights import Seen, owners_of, seen_by
from kit.paging import InvalidCursor, read_cursor, write_cursor
from kit.postgres import Db
from kit.tokens import Identity

__all__ = ["Page", "Sort", "Wanted", "list_agents"]

Sort: TypeAlias = Literal["name", "-name", "created_at", "-created_at", "updated_at", "-updated_at"]

_KEYS: Final[dict[str, ColumnElement[Any] | Mapped[Any]]] = {
    "name": func.lower(col(Agent.name)),
    "created_at": col(Agent.created_at),
    "updated_at": col(Agent.updated_at),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which agents, and in which order. `shared`: only one's own, or only those that are not; None: both."""

    status: str | None = None
    search: str | None = None
    shared: bool | None = None
    sort: Sort = "-created_at"


@dataclass(frozen=True, slots=True)
class Page:
    agents: list[Seen]
    total: int
    next_cursor: str | None


class _Place(BaseModel):
    """Where a page ended: the last agent, and what it was ordered by, of which one is there."""

    sort: Sort
    id: UUID
    name: Text | None = None
    at: AwareDatetime | None = None


async def list_agents(
    db: Db, identity: Identity, wanted: Wanted, *, limit: int, offset: int, cursor: str | None
) -> Page:
    """A page of agents, after the `offset` first or from the `cursor` on, and how many there are in all.

    Raises InvalidCursor.
    """
    key = _KEYS[wanted.sort.lstrip("-")]
    place = tuple_(key, col(Agent.id))
    down = wanted.sort.startswith("-")
    found = _filtered(identity, wanted)
    page = found.add_columns(key.label("key")).limit(limit + 1)
    if cursor is not None:
        last = _read(cursor, wanted.sort)
        page = page.where(place < last if down else place > last)
    else:
        page = page.offset(offset)
    order = (key.desc(), col(Agent.id).desc()) if down else (key, col(Agent.id))
    count = select(func.count()).select_from(found.with_only_columns(col(Agent.id)).subquery())
    async with db() as session:
        total = await session.scalar(count) or 0
        rows = (await session.execute(page.order_by(*order))).all()
    agents = [Seen(row[0], row[1], row[2]) for row in rows[:limit]]
    more = len(rows) > limit
    return Page(agents, total, _written(wanted.sort, rows[limit - 1][3], agents[-1]) if more else None)


def _filtered(identity: Identity, wanted: Wanted) -> Select[Agent, str | None, str | None]:
    """Each of the three ways to an agent has an index, which a condition over all of them would not use."""
    own = col(Agent.user_id).in_(owners_of(identity))
    shared = select(col(AgentShare.agent_id)).where(col(AgentShare.user_id) == identity.owner)
    open_ = select(col(Agent.id)).where(col(Agent.everyone).is_not(None))
    found = seen_by(identity).where(col(Agent.id).in_(union(select(col(Agent.id)).where(own), shared, open_)))
    if wanted.shared is not None:
        found = found.where(~own if wanted.shared else own)
    if wanted.status is not None:
        found = found.where(col(Agent.status) == wanted.status)
    if wanted.search is not None:
        names = (col(Agent.name), col(Agent.description))
        found = found.where(or_(*(name.icontains(wanted.search, autoescape=True) for name in names)))
    return found


def _read(cursor: str, sort: Sort) -> tuple[str | datetime, UUID]:
    place = read_cursor(_Place, cursor)
    key = place.name if sort.endswith("name") else place.at
    if place.sort != sort or key is None:
        raise InvalidCursor
    return key, place.id


def _written(sort: Sort, key: str | datetime, last: Seen) -> str:
    named = {"name": key} if isinstance(key, str) else {"at": key}
    return write_cursor(_Place.model_validate({"sort": sort, "id": last.agent.id, **named}))
