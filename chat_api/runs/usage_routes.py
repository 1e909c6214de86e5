"""What turns took, summed up."""

from datetime import datetime, timedelta
from typing import Annotated, Final, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, Field, model_validator

from chat_api.auth.dependencies import Caller, Database
from chat_api.auth.errors import NotAdmin, UserNotFound
from chat_api.runs.schemas import Dollars
from chat_api.runs.span import Span
from chat_api.runs.usage import CallsBy, GroupBy, Made, Taken, count_calls, summarize
from kit.tokens import Identity
from kit.tokens.identity import is_zone

router = APIRouter(prefix="/api/v1/usage", tags=["runs"])

_MOST_BY_HOUR: Final = timedelta(days=31)


def _known(zone: str) -> str:
    if not is_zone(zone):
        raise ValueError("there is no such time zone")
    return zone


class _Whose(Span):
    timezone: Annotated[str, AfterValidator(_known)] | None = Field(
        default=None, max_length=64, description="Whose days; left out: that of the token, or UTC"
    )
    account_id: UUID | None = Field(default=None, description="For admins: the `id` of whose runs")


def _check_hours(group_by: str, wanted: Span) -> None:
    since, until = wanted.span
    if group_by == "hour" and until - since > _MOST_BY_HOUR:
        raise ValueError("by hour, 31 days at most")


class UsageQuery(_Whose):
    group_by: GroupBy = "day"

    @model_validator(mode="after")
    def _has_few_hours(self) -> Self:
        _check_hours(self.group_by, self)
        return self


class CallsQuery(_Whose):
    group_by: CallsBy = "tool"

    @model_validator(mode="after")
    def _has_few_hours(self) -> Self:
        _check_hours(self.group_by, self)
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
        description="The day, when the hour begins, or what `group_by` names; null for the agent that "
        "there always is, and for runs that came to no model"
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


class CallsOut(BaseModel):
    """Calls of tools that ended. Those that were not allowed have failed."""

    calls: int
    failed_calls: int
    latency_ms_p50: float | None = Field(description="Of the calls that were made")

    @classmethod
    def of(cls, made: Made, **more: str) -> Self:
        return cls.model_validate(made._asdict() | more)


class CallsGroup(CallsOut):
    key: str = Field(description="The name of the tool, the day, or when the hour begins")


class CallsSummary(BaseModel):
    group_by: CallsBy
    since: datetime
    until: datetime
    timezone: str
    total: CallsOut
    groups: list[CallsGroup]


@router.get("/tools")
async def tool_calls(caller: Caller, db: Database, wanted: Annotated[CallsQuery, Query()]) -> CallsSummary:
    """The calls of tools in one's own runs in a time, by tool, day or hour; for admins those of anybody."""
    since, until = wanted.span
    zone = wanted.timezone or caller.zone or "UTC"
    found = await count_calls(db, _owner(caller, wanted), wanted.group_by, since, until, ZoneInfo(zone))
    return CallsSummary(
        group_by=wanted.group_by,
        since=since,
        until=until,
        timezone=zone,
        total=CallsOut.of(found.total),
        groups=[CallsGroup.of(made, key=key or "") for key, made in found.groups],
    )


def _whose(caller: Identity, wanted: UsageQuery) -> UUID | None:
    if wanted.group_by == "user" and not caller.is_admin:
        raise NotAdmin("Only an admin may do that.")
    if wanted.account_id is None and wanted.group_by == "user":
        return None
    return _owner(caller, wanted)


def _owner(caller: Identity, wanted: _Whose) -> UUID:
    if wanted.account_id is None:
        return caller.owner
    if wanted.account_id != caller.owner and not caller.is_admin:
        raise UserNotFound
    return wanted.account_id
