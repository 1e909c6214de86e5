"""What an assistant is told to be, and what it may do."""

import json
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from math import isfinite
from typing import Annotated, Any, Final, TypeAlias, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from chat_api.providers.names import ProviderName
from chat_api.providers.tool_calls import clean_text, keepable

__all__ = [
    "DEFAULT",
    "LONGEST_PROMPT",
    "MOST_TOKENS",
    "MOST_TOOLS",
    "AgentConfig",
    "Approvals",
    "Metadata",
    "ModelId",
    "ModelOptions",
    "Text",
    "ToolName",
]

LONGEST_PROMPT: Final = 50_000
MOST_TOOLS: Final = 200
MOST_TOKENS: Final = 131_072
"""More than these no operator can allow."""

_LARGEST_METADATA: Final = 16_384
_DEEPEST_METADATA: Final = 10
_LONG_FLOAT: Final = 1e16


def _storable(text: str) -> str:
    if clean_text(text) != text:
        raise ValueError("NUL characters and lone surrogates cannot be kept")
    if not text.strip():
        raise ValueError("it is empty")
    return text


def _bounded(metadata: dict[str, Any]) -> dict[str, Any]:
    if _depth(metadata) > _DEEPEST_METADATA:
        raise ValueError(f"it nests deeper than {_DEEPEST_METADATA}")
    metadata = _as_kept(metadata)
    if len(json.dumps(metadata, ensure_ascii=False).encode("utf-8", "replace")) > _LARGEST_METADATA:
        raise ValueError(f"it is larger than {_LARGEST_METADATA} bytes")
    if keepable(metadata) != metadata:
        raise ValueError("NUL characters, lone surrogates and infinite numbers cannot be kept")
    return metadata


def _as_kept(value: Any) -> Any:
    """The same with its numbers as Postgres gives them back: what is 1e300 here has 301 digits there."""
    if isinstance(value, dict):
        return {name: _as_kept(part) for name, part in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_as_kept(part) for part in cast("list[Any]", value)]
    if isinstance(value, float) and isfinite(value):
        # There is no negative zero.
        return int(Decimal(repr(value))) if abs(value) >= _LONG_FLOAT else value + 0.0
    return value


def _depth(value: dict[str, Any]) -> int:
    """How deep it nests; where that is too deep, no more than that it is."""
    level: list[Any] = [value]
    depth = 0
    while level and depth <= _DEEPEST_METADATA:
        level = [part for each in level for part in _parts(each) if isinstance(part, dict | list)]
        depth += 1
    return depth


def _parts(value: Any) -> Iterable[Any]:
    return cast("dict[str, Any]", value).values() if isinstance(value, dict) else cast("list[Any]", value)


ToolName: TypeAlias = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
Text: TypeAlias = Annotated[str, AfterValidator(_storable)]
ModelId: TypeAlias = Annotated[Text, Field(min_length=1, max_length=200)]
Metadata: TypeAlias = Annotated[dict[str, Any], AfterValidator(_bounded)]
"""A JSON object that is kept for whoever sends it."""


class Approvals(BaseModel):
    """Which calls wait until the user has approved them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tools: list[ToolName] = Field(default=[], max_length=MOST_TOOLS, description="Of these tools")
    not_read_only: bool = Field(default=False, description="Of all tools that are not read-only")

    def needs(self, name: str, *, read_only: bool) -> bool:
        """Whether the user is asked before a tool of this name is called."""
        return name in self.tools or (self.not_read_only and not read_only)


class ModelOptions(BaseModel):
    """Which model answers, and how; null: as the provider has it."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    provider: ProviderName | None = Field(
        default=None, description="Who answers; null: the first provider that is there"
    )
    model_id: ModelId | None = Field(default=None, description="null: the model that the provider has first")
    temperature: float | None = Field(default=None, ge=0, le=2, allow_inf_nan=False)
    max_tokens: int | None = Field(
        default=None, ge=100, le=MOST_TOKENS, description="Tokens of one answer of the model at most"
    )


class AgentConfig(ModelOptions):
    """What is kept with each version of an agent."""

    system_prompt: Text = Field(
        min_length=1, max_length=LONGEST_PROMPT, description="What the assistant is told to be"
    )
    tools: list[ToolName] | None = Field(
        default=None, max_length=MOST_TOOLS, description="What it may call; null: all there is"
    )
    approvals: Approvals = Approvals()
    streaming: bool = Field(
        default=True,
        description="Whether what is said at the agent's own path is answered as a stream, unless it says",
    )

    def instructions_for(self, zone_name: str) -> str:
        """The prompt with today's date, which changes once a day so that prompt caches hold."""
        try:
            zone = ZoneInfo(zone_name)
        except (ZoneInfoNotFoundError, ValueError):
            zone = ZoneInfo("UTC")
        today = datetime.now(zone)
        return f"{self.system_prompt}\nToday is {today:%A}, {today.day} {today:%B %Y}. Time zone: {zone.key}."


DEFAULT: Final = AgentConfig(
    system_prompt=(
        "You are Turnlog, the user's assistant. You keep their todos and files, and you calculate, tell the "
        "time and search the web. Use a tool for anything that a tool can do or knows better than you. "
        "Then answer briefly from its result, and if it failed, say so."
    ),
)
