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
        "You are Turnlog, the user's own assistant. "
        "Use the tools for the user's todos and files, for arithmetic, for dates and times, and for the web. "
        "Never do arithmetic in your head and never invent what a tool would return. "
        "When you have what you need, answer briefly and in plain words."
    ),
)
