"""Listing the runs of somebody, the newest first."""

from typing import Annotated, Any, Final, Literal, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import BindParameter, ColumnElement, bindparam, select, tuple_
from sqlmodel import col

from chat_api.runs.models import Run
from kit.paging import LONGEST_CURSOR, read_cursor, write_cursor
from kit.postgres import Db

__all__ = ["RunQuery", "RunStatus", "list_runs"]

RunStatus: TypeAlias = Literal["queued", "running", "requires_action", "completed", "failed", "cancelled"]
_UNFINISHED: Final[frozenset[RunStatus]] = frozenset({"queued", "running", "requires_action"})
_Name: TypeAlias = Annotated[str, Field(max_length=255, pattern=r"^[^\x00]*$")]


class RunQuery(BaseModel):
    """Which runs, and which page of them."""

    agent_id: UUID | Literal["default"] | None = None
    conversation_id: UUID | None = None
    status: list[RunStatus] = Field(default_factory=list[RunStatus], description="One of these")
    unfinished: bool = Field(default=False, description="Only runs that are not over")
    provider: _Name | None = None
    model: _Name | None = None
    since: AwareDatetime | None = Field(default=None, description="Begun then or later")
    until: AwareDatetime | None = Field(default=None, description="Begun before")
    cursor: str | None = Field(
        default=None, max_length=LONGEST_CURSOR, description="`next_cursor` of the page before"
    )
    limit: int = Field(default=20, ge=1, le=100)

    @property
    def statuses(self) -> frozenset[RunStatus] | None:
        """None: any."""
        if self.unfinished:
            return _UNFINISHED.intersection(self.status or _UNFINISHED)
        return frozenset(self.status) if self.status else None


class _Place(BaseModel):
    """The last run of a page."""

    at: AwareDatetime
    id: UUID


async def list_runs(db: Db, user_id: UUID, wanted: RunQuery) -> tuple[list[Run], str | None]:
    """A page of one's own runs, and the cursor of the next one. Raises InvalidCursor."""
    limit, place = wanted.limit, (col(Run.created_at), col(Run.id))
    found = select(Run).where(col(Run.user_id) == user_id, *_conditions(wanted))
    found = found.order_by(*(each.desc() for each in place)).limit(limit + 1)
    if wanted.cursor is not None:
        last = read_cursor(_Place, wanted.cursor)
        found = found.where(tuple_(*place) < (last.at, last.id))
    async with db() as session:
        runs = list(await session.scalars(found))
    if len(runs) <= limit:
        return runs, None
    return runs[:limit], write_cursor(_Place(at=runs[limit - 1].created_at, id=runs[limit - 1].id))


def _conditions(wanted: RunQuery) -> list[ColumnElement[bool]]:
    equal: dict[Any, object] = {
        Run.conversation_id: wanted.conversation_id,
        Run.provider: wanted.provider,
        Run.model: wanted.model,
    }
    conditions = [col(column) == value for column, value in equal.items() if value is not None]
    if wanted.agent_id == "default":
        conditions.append(col(Run.agent_id).is_(None))
    elif wanted.agent_id is not None:
        conditions.append(col(Run.agent_id) == wanted.agent_id)
    if wanted.statuses is not None:
        # As literals: the planner must see whether an index has them all.
        statuses: BindParameter[Any] = bindparam(
            "statuses", sorted(wanted.statuses), expanding=True, literal_execute=True
        )
        conditions.append(col(Run.status).in_(statuses))
    if wanted.since is not None:
        conditions.append(col(Run.created_at) >= wanted.since)
    if wanted.until is not None:
        conditions.append(col(Run.created_at) < wanted.until)
    return conditions
