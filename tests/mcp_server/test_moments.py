"""What is read as which time."""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from mcp_server.moments import NotATime, parse_moment

BERLIN: Final = ZoneInfo("Europe/Berlin")
# A Friday.
NOW: Final = datetime(2026, 11, 20, 12, 34, tzinfo=BERLIN)
TIMES: Final = {
    "tonight at 8": "2026-11-20T20:00",
    "tonight at 8:30": "2026-11-20T20:30",
    "tonight at 8:30 pm": "2026-11-20T20:30",
    "tonight at 20": "2026-11-20T20:00",
    "tomorrow evening at 8": "2026-11-21T20:00",
    "at 9 tomorrow evening": "2026-11-21T21:00",
    "this afternoon at 5": "2026-11-20T17:00",
    "friday night at 10": "2026-11-27T22:00",
    "tomorrow morning at 9": "2026-11-21T09:00",
    "tomorrow at 9 in the morning": "2026-11-21T09:00",
    "tomorrow at 8 in the evening": "2026-11-21T20:00",
    "tomorrow at 9 p.m.": "2026-11-21T21:00",
    "at 12 noon": "2026-11-21T12:00",
    "tomorrow at 12 midnight": "2026-11-21T00:00",
    "tomorrow at 12": "2026-11-21T12:00",
    "at 10 minutes": "2026-11-20T12:44",
    "at 9 on friday": "2026-11-27T09:00",
    "at 9, friday": "2026-11-27T09:00",
    "friday at 9": "2026-11-27T09:00",
    "at 9 5 december": "2026-12-05T09:00",
    "in 3 days at 5": "2026-11-23T05:00",
}
DAYS: Final = {"at 5 december": "2026-12-05", "at 15 march": "2027-03-15", "at 3 days from now": "2026-11-23"}


@pytest.mark.parametrize(("words", "time"), TIMES.items())
def test_an_hour_is_read_as_people_mean_it(words: str, time: str) -> None:
    moment = parse_moment(words, BERLIN, now=NOW)
    assert (f"{moment.at:%Y-%m-%dT%H:%M}", moment.has_time) == (time, True)


@pytest.mark.parametrize(("words", "day"), DAYS.items())
def test_a_number_of_something_else_is_no_hour(words: str, day: str) -> None:
    moment = parse_moment(words, BERLIN, now=NOW)
    assert (moment.at.date().isoformat(), moment.has_time) == (day, False)


def test_a_zone_that_only_the_system_knows_reads_no_words() -> None:
    with pytest.raises(NotATime):
        parse_moment("tomorrow at 9", ZoneInfo("Factory"))
