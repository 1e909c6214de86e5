"""What an assistant is told to be, and what it may do."""

from datetime import datetime
from typing import Annotated, Final, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from chat_api.providers.names import ProviderName
from chat_api.providers.tool_calls import clean_text

__all__ = ["DEFAULT", "MOST_TOOLS", "AgentConfig", "Approvals", "ModelOptions", "ToolName"]

_LONGEST_PROMPT: Final = 50_000
MOST_TOOLS: Final = 200
_MOST_TOKENS: Final = 131_072


def _storable(text: str) -> str:
    if clean_text(text) != text:
        raise ValueError("NUL characters and lone surrogates cannot be kept")
    if not text.strip():
        raise ValueError("it is empty")
    return text


ToolName: TypeAlias = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
Text: TypeAlias = Annotated[str, AfterValidator(_storable)]
ModelId: TypeAlias = Annotated[Text, Field(min_length=1, max_length=200)]


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
        default=None, ge=100, le=_MOST_TOKENS, description="Tokens of one answer of the model at most"
    )


class AgentConfig(ModelOptions):
    """What is kept with each version of an agent."""

    system_prompt: Text = Field(
        min_length=1, max_length=_LONGEST_PROMPT, description="What the assistant is told to be"
    )
    tools: list[ToolName] | None = Field(
        default=None, max_length=MOST_TOOLS, description="What it may call; null: all there is"
    )
    approvals: Approvals = Approvals()

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
