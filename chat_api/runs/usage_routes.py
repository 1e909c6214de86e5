"""What turns took, summed up."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, Field

from chat_api.auth.dependencies import Caller, Database
from chat_api.auth.errors import NotAdmin, UserNotFound
from chat_api.runs.schemas import Dollars
from chat_api.runs.span import Span
from chat_api.runs.usage import GroupBy, Taken, summarize
from kit.tokens import Identity
from kit.tokens.identity import is_zone

router = APIRouter(prefix="/api/v1/usage", tags=["runs"])


def _known(zone: str) -> str:
    if not is_zone(zone):
        raise ValueError("there is no such time zone")
    return zone


class UsageQuery(Span):
    group_by: GroupBy = "day"
    timezone: Annotated[str, AfterValidator(_known)] | None = Field(
        default=None, max_length=64, description="Whose days; left out: that of the token, or UTC"
    )
    account_id: UUID | None = Field(default=None, description="For admins: the `id` of whose runs")


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
