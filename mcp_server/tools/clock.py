"""What time it is, here and elsewhere."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from mcp_server.context import ToolContext, ToolError, zone
from mcp_server.moments import Moment, parse_moment
from mcp_server.timezones import find_zone
from mcp_server.tooling import tool

__all__ = ["TOOLS"]

Zone = Annotated[
    str, Field(max_length=64, description="IANA time zone or a city; leave out for the user's own")
]

_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_OWN: Final = frozenset({"", "local", "here", "user", "null", "none"})
_CLOSE: Final = timedelta(minutes=1)
_OUT_OF_RANGE: Final = "That year is out of range: send a time between the years 2 and 9998."
_SKIPPED: Final = (
    "The clocks of that time zone skip this time, so it was moved forward by as much as they are."
)
_REPEATED: Final = "The clocks of that time zone show this time twice; this is the first of the two."


class ZonedTime(BaseModel):
    date: str = Field(description="Year, month, day")
    time: str = Field(description="24-hour clock")
    weekday: str
    utc_offset: str
    iso: str
    timezone: str


class Conversion(ZonedTime):
    original: ZonedTime = Field(description="The same moment in the time zone it came from")
    note: str | None = Field(None, description="Set where the clocks change at that time")


async def current_time(ctx: ToolContext, timezone: Zone | None = None) -> ZonedTime:
    """Tell what time and date it is now, here or in any city or time zone."""
    return _zoned(datetime.now(UTC), _zone(ctx, timezone))


async def convert_time(
    ctx: ToolContext,
    time: Annotated[
        str,
        Field(
            max_length=100,
            description="The time, with the date if one was named: ISO 8601 or plain words",
        ),
    ],
    from_timezone: Zone | None = None,
    to_timezone: Zone | None = None,
) -> Conversion:
    """Convert a time from one time zone to another."""
    source, target = _zone(ctx, from_timezone), _zone(ctx, to_timezone)
    moment = parse_moment(time, source)
    if not moment.has_time:
        raise ToolError("That names a day only: send the time of day too.")
    at, note = _placed(time, moment, source)
    return Conversion(**_zoned(at, target).model_dump(), original=_zoned(at, source), note=note)


def _zone(ctx: ToolContext, name: str | None) -> ZoneInfo:
    return zone(ctx) if name is None or name.strip().casefold() in _OWN else find_zone(name)


def _placed(text: str, moment: Moment, zone: ZoneInfo) -> tuple[datetime, str | None]:
    """The moment, with a local time that the zone's clocks skip or repeat settled as PEP 495 has it.

    A skipped time counts on from before the change; of a repeated one, the first is meant. A text that
    names an offset of its own, or a distance from now, leaves nothing to settle.
    """
    local = moment.at.replace(tzinfo=zone, fold=0)
    if local.utcoffset() == local.replace(fold=1).utcoffset() or _is_absolute(text, moment):
        return moment.at, None
    return local, _REPEATED if _exists(local, zone) else _SKIPPED


def _is_absolute(text: str, moment: Moment) -> bool:
    return abs(parse_moment(text, ZoneInfo("UTC")).at - moment.at) < _CLOSE


def _exists(local: datetime, zone: ZoneInfo) -> bool:
    return local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None)


def _zoned(at: datetime, zone: ZoneInfo) -> ZonedTime:
    try:
        # Across UTC, because a datetime that is already in the zone would keep a time its clocks skip.
        there = at.astimezone(UTC).astimezone(zone)
    except OverflowError as error:
        raise ToolError(_OUT_OF_RANGE) from error
    iso = there.isoformat(timespec="seconds")
    offset = iso[len("YYYY-MM-DDTHH:MM:SS") :]
    return ZonedTime(
        date=there.date().isoformat(),
        time=there.time().isoformat("seconds"),
        weekday=_WEEKDAYS[there.weekday()],
        utc_offset=offset,
        iso=iso,
        timezone=f"UTC{offset}" if zone.key.startswith("Etc/") else zone.key,
    )


TOOLS: Final = (
    tool(current_time, title="Tell the time", read_only=True),
    tool(convert_time, title="Convert a time", read_only=True),
)
