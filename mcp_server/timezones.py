"""Time zones by the names that people use."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import cache
from typing import Final
from unicodedata import combining, normalize
from zoneinfo import ZoneInfo, available_timezones

from mcp_server.context import ToolError

__all__ = ["find_zone"]

_NOT_ZONES: Final = frozenset({"Factory", "localtime", "posixrules"})
_OFFSET: Final = re.compile(r"(?:utc|gmt)?(?P<sign>[+-])(?P<hours>[0-9]{1,2})(?::?00)?", re.ASCII)
_SEPARATORS: Final = re.compile(r"[\s_,.]+")
_WESTMOST, _EASTMOST = -12, 14
_LONGEST_SUGGESTED: Final = 64

# Seasonal names too stand for the clock on the wall of the place, which is what people mean by them.
_ABBREVIATED: Final[Mapping[str, str]] = {
    **dict.fromkeys(("et", "est", "edt", "eastern", "eastern time"), "America/New_York"),
    **dict.fromkeys(("ct", "cdt", "central", "central time"), "America/Chicago"),
    **dict.fromkeys(("mt", "mst", "mdt", "mountain", "mountain time"), "America/Denver"),
    **dict.fromkeys(("pt", "pst", "pdt", "pacific", "pacific time"), "America/Los_Angeles"),
    "cest": "CET",
    "eest": "EET",
    "jst": "Asia/Tokyo",
    "kst": "Asia/Seoul",
    "hkt": "Asia/Hong_Kong",
    "sgt": "Asia/Singapore",
    "nzst": "Pacific/Auckland",
    "nzdt": "Pacific/Auckland",
    "z": "UTC",
}
_AMBIGUOUS: Final[Mapping[str, tuple[str, ...]]] = {
    "cst": ("America/Chicago", "Asia/Shanghai", "America/Havana"),
    "ist": ("Asia/Kolkata", "Europe/Dublin", "Asia/Jerusalem"),
    "bst": ("Europe/London", "Asia/Dhaka"),
    "ast": ("America/Halifax", "Asia/Riyadh"),
    "gst": ("Asia/Dubai", "Atlantic/South_Georgia"),
    "samoa": ("Pacific/Apia", "Pacific/Pago_Pago"),
    "san juan": ("America/Puerto_Rico", "America/Argentina/San_Juan"),
    "cordoba": ("Europe/Madrid", "America/Argentina/Cordoba"),
    "aest": ("Australia/Sydney", "Australia/Brisbane"),
}
_LARGE_CITIES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("beijing", "shenzhen", "guangzhou"), "Asia/Shanghai"),
    **dict.fromkeys(("mumbai", "delhi", "new delhi", "bangalore", "bengaluru", "chennai"), "Asia/Kolkata"),
    **dict.fromkeys(("osaka", "kyoto"), "Asia/Tokyo"),
    **dict.fromkeys(("san francisco", "seattle", "san diego", "las vegas"), "America/Los_Angeles"),
    **dict.fromkeys(("washington", "washington dc", "boston", "miami"), "America/New_York"),
    **dict.fromkeys(("atlanta", "philadelphia", "new york city", "nyc"), "America/New_York"),
    **dict.fromkeys(("houston", "dallas", "austin"), "America/Chicago"),
    **dict.fromkeys(("munich", "frankfurt", "hamburg", "cologne"), "Europe/Berlin"),
    **dict.fromkeys(("barcelona", "seville"), "Europe/Madrid"),
    **dict.fromkeys(("milan", "naples"), "Europe/Rome"),
    **dict.fromkeys(("edinburgh", "manchester"), "Europe/London"),
    "geneva": "Europe/Zurich",
    "saint petersburg": "Europe/Moscow",
    "abu dhabi": "Asia/Dubai",
    "rio de janeiro": "America/Sao_Paulo",
    "ottawa": "America/Toronto",
    "cape town": "Africa/Johannesburg",
    "hanoi": "Asia/Ho_Chi_Minh",
    "kyiv": "Europe/Kiev",
}


def find_zone(name: str) -> ZoneInfo:
    """The zone of an IANA name, a city, an abbreviation with one meaning, or a whole-hour offset.

    Only names of the database are ever opened, so that no name can reach a file beside it.
    Raises ToolError with the nearest names where there is no such zone, or more than one.
    """
    wanted = _plain(name)
    key = _ABBREVIATED.get(wanted) or _keys().get(wanted) or _LARGE_CITIES.get(wanted) or _offset_key(wanted)
    if key is not None:
        return ZoneInfo(key)
    candidates = _AMBIGUOUS.get(wanted) or _cities().get(wanted, ())
    if candidates and _agree(candidates):
        return ZoneInfo(candidates[0])
    if candidates:
        raise ToolError(f"That time zone can be one of several: send {' or '.join(candidates)}.")
    raise ToolError(_unknown(wanted))


def _plain(name: str) -> str:
    letters = "".join(letter for letter in normalize("NFKD", name.casefold()) if not combining(letter))
    return _SEPARATORS.sub(" ", letters).strip().replace(" / ", "/")


@cache
def _keys() -> Mapping[str, str]:
    return {_plain(key): key for key in available_timezones() - _NOT_ZONES}


@cache
def _cities() -> Mapping[str, tuple[str, ...]]:
    """The zones of each last part of a name. Etc is left out: its signs are not those that people write."""
    cities: dict[str, tuple[str, ...]] = {}
    for key in sorted(_keys().values()):
        area, _, city = key.rpartition("/")
        if area and area != "Etc":
            cities[_plain(city)] = (*cities.get(_plain(city), ()), key)
    return cities


def _offset_key(wanted: str) -> str | None:
    found = _OFFSET.fullmatch(wanted.replace(" ", ""))
    hours = int(found["sign"] + found["hours"]) if found else None
    if hours is None or not _WESTMOST <= hours <= _EASTMOST:
        return None
    return f"Etc/GMT{-hours:+d}" if hours else "UTC"


def _agree(keys: tuple[str, ...]) -> bool:
    """Whether the clocks of these zones show the same, in this year and the next."""
    start = datetime.now(UTC)
    moments = [start + timedelta(days=7 * week) for week in range(104)]
    zones = [ZoneInfo(key) for key in keys]
    return all(len({moment.astimezone(zone).utcoffset() for zone in zones}) == 1 for moment in moments)


def _unknown(wanted: str) -> str:
    names = [*_keys(), *_cities(), *_LARGE_CITIES]
    near = get_close_matches(wanted[:_LONGEST_SUGGESTED], names, n=3, cutoff=0.7)
    keys = list(dict.fromkeys(key for name in near for key in _named(name)))
    if not keys:
        return "There is no such time zone: send an IANA name, which is an area, a slash and a city."
    return f"There is no such time zone: did you mean {' or '.join(keys)}?"


def _named(name: str) -> tuple[str, ...]:
    known = _keys().get(name) or _LARGE_CITIES.get(name)
    return (known,) if known else _cities()[name]
