"""What turns took, summed up."""

from datetime import datetime, timedelta
from typing import Annotated, Final, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, model_validator

from chat_api.auth.dependencies import Caller, Database
from chat_api.auth.errors import NotAdmin, UserNotFound
from chat_api.runs.schemas import Dollars
from chat_api.runs.usage import GroupBy, Taken, summarize
from kit.postgres.tables import now
from kit.tokens import Identity
from kit.tokens.identity import is_zone

router = APIRouter(prefix="/api/v1/usage", tags=["runs"])

_LONGEST: Final = timedelta(days=366)
_USUAL: Final = timedelta(days=30)
_A_DAY: Final = timedelta(days=1)
_EARLIEST: Final = datetime.fromisoformat("2000-01-01T00:00:00Z")
_LATEST: Final = datetime.fromisoformat("9000-01-01T00:00:00Z")


def _known(zone: str) -> str:
    if not is_zone(zone):
        raise ValueError("there is no such time zone")
    return zone


class UsageQuery(BaseModel):
    group_by: GroupBy = "day"
    since: AwareDatetime | None = Field(
        default=None, ge=_EARLIEST, le=_LATEST, description="Left out: 30 days before `until`"
    )
    until: AwareDatetime | None = Field(
        default=None, ge=_EARLIEST, le=_LATEST, description="Left out: when this day ends, in UTC. At most 366 days after `since`"
    )
    timezone: Annotated[str, AfterValidator(_known)] | None = Field(
        default=None, max_length=64, description="Whose days; left out: that of the token, or UTC"
    )
    account_id: UUID | None = Field(default=None, description="For admins: the `id` of whose runs")

    @property
    def span(self) -> tuple[datetime, datetime]:
        until = self.until or now().replace(hour=0, minute=0, second=0, microsecond=0) + _A_DAY
        return self.since or until - _USUAL, until

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        since, until = self.span
        if not timedelta(0) <= until - since <= _LONGEST:
            raise ValueError("until must be after since, by 366 days at most")
        return self


class UsageOut(BaseModel):
    """`unpriced_runs` are over, and in no `cost_usd`."""

    runs: int
    failed_runs: int
    unpriced_runs: int
    input_tokens: int
    output_tokens: int
    cost_usd: Dollars
    latency_ms_p50: float | None = Field(description="Of the runs that are over, from the message to the end")

    @classmethod
    def of(cls, taken: Taken, **more: str | None) -> Self:
        return cls.model_validate(taken._asdict() | more)


class UsageGroup(UsageOut):
    key: str | None = Field(
        description="The day, or what `group_by` names; null for the agent that there always is, "
        "and for runs that came to no model"
    )


class UsageSummary(BaseModel):
    group_by: GroupBy
    since: datetime
    until: datetime
    timezone: str
    total: UsageOut
    groups: list[UsageGroup]


@router.get("")
async def usage(caller: Caller, db: Database, wanted: Annotated[UsageQuery, Query()]) -> UsageSummary:
    """One's own runs in a time, summed up; for admins those of anybody, or of everybody by user."""
    owner = _whose(caller, wanted)
    since, until = wanted.span
    zone = wanted.timezone or caller.zone or "UTC"
    found = await summarize(db, owner, wanted.group_by, since, until, ZoneInfo(zone))
    return UsageSummary(
        group_by=wanted.group_by,
        since=since,
        until=until,
        timezone=zone,
        total=UsageOut.of(found.total),
        groups=[UsageGroup.of(taken, key=key) for key, taken in found.groups],
    )


def _whose(caller: Identity, wanted: UsageQuery) -> UUID | None:
    if wanted.group_by == "user" and not caller.is_admin:
        raise NotAdmin("Only an admin may do that.")
    if wanted.account_id is None:
        return None if wanted.group_by == "user" else caller.owner
    if wanted.account_id != caller.owner and not caller.is_admin:
        raise UserNotFound
    return wanted.account_id
