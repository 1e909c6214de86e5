"""The default assistant."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = ["DEFAULT", "AgentConfig"]


@dataclass(frozen=True, slots=True)
class AgentConfig:
    name: str
    instructions: str

    def instructions_for(self, zone_name: str) -> str:
        """The instructions with today's date, which changes once a day so that prompt caches hold."""
        try:
            zone = ZoneInfo(zone_name)
        except (ZoneInfoNotFoundError, ValueError):
            zone = ZoneInfo("UTC")
        today = datetime.now(zone)
        return f"{self.instructions}\nToday is {today:%A}, {today.day} {today:%B %Y}. Time zone: {zone.key}."


DEFAULT: Final = AgentConfig(
    name="Assistant",
    instructions=(
        "You are Turnlog, the user's assistant. You keep their todos and files, and you calculate, tell the "
        "time and search the web. Use a tool for anything that a tool can do or knows better than you. "
        "Then answer briefly from its result, and if it failed, say so."
    ),
)
