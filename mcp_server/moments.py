"""Points in time as people write them."""

import re
from dataclasses import dataclass
from datetime import datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from mcp_server.context import NamedError

__all__ = ["Moment", "NotATime", "parse_moment"]

_LONGEST: Final = 100
# What stays a date in every zone.
_FIRST_YEAR: Final = 1900
_LAST_YEAR: Final = 9998
_END_OF_DAY: Final = time(23, 59)
_TIME_PERIODS: Final = frozenset({"time", "part_of_day"})
# dateparser takes an hour for nothing where no minutes follow, and 12 before noon for another number.
_TWELVE: Final = re.compile(r"\bat 12 (?=(?:noon|midnight)\b)", re.IGNORECASE)
_MONTHS: Final = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_NO_HOUR: Final = (
    r"\s*(?:[ap]\.?m\b|noon|midnight|in the\b"
    rf"|(?:second|minute|hour|day|week|month|year)s?\b|(?:{_MONTHS})[a-z]*\b)"
)
_HOUR: Final = re.compile(
    rf"\bat (2[0-3]|1[0-9]|0?[0-9])(:[0-5][0-9])?(?!{_NO_HOUR})(?=[\s,]|$)", re.IGNORECASE
)
# It does not know that eight in the evening is not eight in the morning.
_LATE: Final = re.compile(r"\b(?:tonight|night|evening|afternoon)\b", re.IGNORECASE)
_NOON: Final = 12


class NotATime(NamedError):
    """The words name no point in time that a todo, or a clock, can have."""

    name = "not_a_time"


@dataclass(frozen=True, slots=True)
class Moment:
    """An aware datetime; `has_time` is false where only a day was named."""

    at: datetime
    has_time: bool

    def end(self) -> datetime:
        """The moment itself, or the last minute of its day where no time was named."""
        return self.at if self.has_time else datetime.combine(self.at.date(), _END_OF_DAY, self.at.tzinfo)


def parse_moment(text: str, zone: ZoneInfo, *, now: datetime | None = None) -> Moment:
    """Read ISO 8601 or plain English, in `zone` unless the text names an offset of its own.

    Raises NotATime.
    """
    text = text.strip()
    moment = _iso(text, zone) or _plain(text, (now or datetime.now(zone)).astimezone(zone), zone)
    if moment is None:
        raise NotATime(
            "That is no date or time. Send ISO 8601 such as 2026-11-21T17:00, "
            "or plain words such as tomorrow 5pm."
        )
    if not _FIRST_YEAR <= moment.at.year <= _LAST_YEAR:
        raise NotATime(f"That date is out of range: send one from {_FIRST_YEAR} to {_LAST_YEAR}.")
    return moment


def _iso(text: str, zone: ZoneInfo) -> Moment | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    has_time = ":" in text or "T" in text.upper()
    return Moment(at if at.tzinfo else at.replace(tzinfo=zone), has_time)


def _plain(text: str, now: datetime, zone: ZoneInfo) -> Moment | None:
    if not text or len(text) > _LONGEST or not text.isprintable():
        return None
    # The import takes a tenth of a second, which a tool server on stdio would pay at every start.
    from dateparser.date import DateDataParser  # noqa: PLC0415

    parser = DateDataParser(
        languages=["en"],
        settings={
            "TIMEZONE": zone.key,
            "RETURN_AS_TIMEZONE_AWARE": True,
            "RETURN_TIME_AS_PERIOD": True,
            "PREFER_DATES_FROM": "future",
            "RELATIVE_BASE": now.replace(tzinfo=None),
        },
    )
    try:
        data = parser.get_date_data(_spelled(text))
    except (KeyError, ValueError, OverflowError):
        # KeyError: a zone that dateparser does not know, such as Factory.
        return None
    if data.date_obj is None:
        return None
    return Moment(data.date_obj, data.period in _TIME_PERIODS)


def _spelled(text: str) -> str:
    """The text with its hour as dateparser reads one."""
    is_late = bool(_LATE.search(text))

    def spelled(found: re.Match[str]) -> str:
        hour, minutes = int(found[1]), found[2] or ":00"
        return f"at {hour}{minutes}{' pm' if is_late and 0 < hour < _NOON else ''}"

    return _HOUR.sub(spelled, _TWELVE.sub("at ", text))
