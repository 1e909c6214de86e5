"""The clock, through the official client."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import available_timezones

import pytest

from mcp_server.timezones import find_zone
from tests.clients import Call, Connect

Refused = Callable[..., Awaitable[str]]

_NAMES = {
    "Asia/Tokyo": "Asia/Tokyo",
    "asia/tokyo": "Asia/Tokyo",
    "tokyo": "Asia/Tokyo",
    "New York": "America/New_York",
    "America/New York": "America/New_York",
    "S\N{LATIN SMALL LETTER A WITH TILDE}o Paulo": "America/Sao_Paulo",
    "San Francisco": "America/Los_Angeles",
    "UTC": "UTC",
    "GMT": "GMT",
    "PST": "America/Los_Angeles",
    "est": "America/New_York",
    "UTC+2": "UTC+02:00",
    "GMT-05:00": "UTC-05:00",
    "+09": "UTC+09:00",
    "Etc/GMT+2": "UTC-02:00",
}
_WRONG_NAMES = {
    "Berlim": "did you mean Europe/Berlin",
    "Europe/Berlinn": "did you mean Europe/Berlin",
    "San Fransisco": "did you mean America/Los_Angeles",
    "CST": "America/Chicago or Asia/Shanghai",
    "IST": "Asia/Kolkata or Europe/Dublin",
    "../../etc/passwd": "IANA",
    "/etc/localtime": "IANA",
    "/usr/share/zoneinfo/Europe/Berlin": "no such time zone",
    "localtime": "no such time zone",
    "posix/Europe/Berlin": "no such time zone",
    "Europe/Berlin\x00": "no such time zone",
    "UTC+25": "IANA",
    "SECRETSECRET": "IANA",
    "x" * 65: "at most 64 characters",
}


async def test_the_time_now_is_told_in_the_users_zone(call: Call) -> None:
    now = await call("current_time")
    told = datetime.fromisoformat(now["iso"])
    assert abs(told - datetime.now(UTC)) < timedelta(minutes=1)
    assert now["timezone"] == "Europe/Berlin"
    assert now["iso"] == f"{now['date']}T{now['time']}{now['utc_offset']}"
    assert now["weekday"] == f"{told:%A}"


@pytest.mark.parametrize("name", [None, "", "local"])
async def test_no_zone_means_the_users_own(connect: Connect, name: str | None) -> None:
    async with connect(timezone="Asia/Tokyo") as client:
        result: Any = (await client.call_tool("current_time", {"timezone": name})).structured_content
    assert (result["timezone"], result["utc_offset"]) == ("Asia/Tokyo", "+09:00")


async def test_a_zone_is_found_by_the_names_people_use(call: Call) -> None:
    found = {name: (await call("current_time", timezone=name))["timezone"] for name in _NAMES}
    assert found == _NAMES


def test_every_name_of_the_database_is_found() -> None:
    names = available_timezones() - {"Factory", "localtime", "posixrules", "EST", "MST"}
    assert {name for name in names if find_zone(name).key != name} == set()


async def test_a_wrong_zone_is_answered_with_the_near_ones(refused: Refused) -> None:
    for name, words in _WRONG_NAMES.items():
        said = await refused("current_time", timezone=name)
        assert words in said
        assert "SECRET" not in said
        assert "passwd" not in said


async def test_a_time_is_converted(call: Call) -> None:
    assert await call(
        "convert_time", time="2027-01-02T17:00", from_timezone="Berlin", to_timezone="Tokyo"
    ) == {
        "date": "2027-01-03",
        "time": "01:00:00",
        "weekday": "Sunday",
        "utc_offset": "+09:00",
        "iso": "2027-01-03T01:00:00+09:00",
        "timezone": "Asia/Tokyo",
        "original": {
            "date": "2027-01-02",
            "time": "17:00:00",
            "weekday": "Saturday",
            "utc_offset": "+01:00",
            "iso": "2027-01-02T17:00:00+01:00",
            "timezone": "Europe/Berlin",
        },
        "note": None,
    }


async def test_a_zone_left_out_is_the_users_own(call: Call) -> None:
    there = await call("convert_time", time="2027-07-02T09:00", to_timezone="New York")
    assert (there["time"], there["original"]["timezone"]) == ("03:00:00", "Europe/Berlin")
    here = await call("convert_time", time="2027-07-02T09:00", from_timezone="New York")
    assert (here["time"], here["timezone"]) == ("15:00:00", "Europe/Berlin")


async def test_plain_words_are_a_time_in_the_first_zone(call: Call) -> None:
    result = await call("convert_time", time="tomorrow 5pm", from_timezone="Tokyo", to_timezone="UTC")
    assert (result["original"]["time"], result["time"]) == ("17:00:00", "08:00:00")


async def test_an_offset_in_the_text_counts_over_the_first_zone(call: Call) -> None:
    result = await call("convert_time", time="2027-01-02T17:00Z", to_timezone="Tokyo")
    assert result["iso"] == "2027-01-03T02:00:00+09:00"
    assert result["original"]["iso"] == "2027-01-02T18:00:00+01:00"


@pytest.mark.parametrize("time", ["2027-03-28T02:30", "March 28 2027 2:30am"])
async def test_a_time_that_the_clocks_skip_moves_forward(call: Call, time: str) -> None:
    result = await call("convert_time", time=time, from_timezone="Berlin", to_timezone="UTC")
    assert (result["time"], result["original"]["iso"]) == ("01:30:00", "2027-03-28T03:30:00+02:00")
    assert "skip" in result["note"]


@pytest.mark.parametrize("time", ["2027-10-31T02:30", "October 31 2027 2:30am"])
async def test_of_a_time_that_the_clocks_repeat_the_first_is_meant(call: Call, time: str) -> None:
    result = await call("convert_time", time=time, from_timezone="Berlin", to_timezone="UTC")
    assert (result["time"], result["original"]["utc_offset"]) == ("00:30:00", "+02:00")
    assert "twice" in result["note"]


@pytest.mark.parametrize("time", ["2027-10-31T02:30+01:00", "2027-10-31T01:30Z", "October 31 2027 01:30 UTC"])
async def test_an_offset_in_the_text_settles_a_repeated_time(call: Call, time: str) -> None:
    result = await call("convert_time", time=time, from_timezone="Berlin", to_timezone="UTC")
    assert (result["time"], result["note"]) == ("01:30:00", None)


@pytest.mark.parametrize(
    ("time", "words"),
    [
        ("SECRET", "ISO 8601"),
        ("", "ISO 8601"),
        ("2027-01-02", "time of day"),
        ("today", "time of day"),
        ("0001-01-01T00:00", "out of range"),
        ("9999-12-31T23:59-10:00", "out of range"),
        ("1" * 101, "at most 100 characters"),
    ],
)
async def test_a_wrong_time_is_answered_with_what_to_send(refused: Refused, time: str, words: str) -> None:
    said = await refused("convert_time", time=time, to_timezone="Tokyo")
    assert words in said
    assert "SECRET" not in said
