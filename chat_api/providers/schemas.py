"""Configured providers on the wire. Keys go in and never come out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self, TypeAlias
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from chat_api.providers.keys import origin
from chat_api.providers.models import ProviderConfig
from chat_api.providers.names import Kind, ProviderName
from chat_api.providers.tool_calls import clean_text

__all__ = ["Address", "ApiKey", "NewProvider", "ProviderChange", "ProviderList", "ProviderOut"]


def _sendable(text: str) -> str:
    if clean_text(text) != text or not text.strip():
        raise ValueError("it is empty, or has NUL characters or lone surrogates")
    return text


Address: TypeAlias = Annotated[str, Field(min_length=1, max_length=2_000, pattern=r"^[!-~]+$")]
# Visible ASCII and inner spaces: it becomes the value of a header.
ApiKey: TypeAlias = Annotated[str, Field(max_length=8_000, pattern=r"^[!-~]+( +[!-~]+)*$")]
_Model: TypeAlias = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_sendable)]
_Priority: TypeAlias = Annotated[int, Field(ge=0, le=1_000)]
_Seconds: TypeAlias = Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)]
_Retries: TypeAlias = Annotated[int, Field(ge=0, le=5)]
_Context: TypeAlias = Annotated[int, Field(ge=1_000, le=10_000_000)]


class NewProvider(BaseModel):
    """`kind`: `openai` is whatever is compatible with the OpenAI API."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: ProviderName = Field(description="What agents and turns name it by", examples=["work"])
    kind: Kind = "openai"
    base_url: Address = Field(
        description="Of Ollama and LM Studio their root, else where the API's version begins",
        examples=["https://models.example.com/v1"],
    )
    api_key: ApiKey | None = Field(default=None, json_schema_extra={"writeOnly": True})
    model: _Model | None = Field(default=None, description="Its default model; null: the first it lists")
    enabled: bool = True
    shared: bool = Field(default=False, description="Everybody may use it. Admins may set it")
    priority: _Priority = Field(default=100, description="Of several, the smaller ones are asked first")
    timeout_seconds: _Seconds | None = Field(
        default=None, description="How long it may be silent; null: as PROVIDER_TIMEOUT says"
    )
    first_token_seconds: _Seconds | None = Field(
        default=None, description="How long it may take to begin an answer; null: as long as to be silent"
    )
    retries: _Retries = Field(default=1, description="How often it is asked again before another one is")
    context_tokens: _Context | None = Field(
        default=None, description="Of a conversation that it is sent at most; null: as CONTEXT_TOKENS says"
    )


class ProviderChange(BaseModel):
    """What is left out stays as it is; the name always does, for agents name their provider by it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    kind: Kind = "openai"
    base_url: Address = ""
    api_key: ApiKey | None = Field(default=None, json_schema_extra={"writeOnly": True})
    model: _Model | None = None
    enabled: bool = True
    shared: bool = False
    priority: _Priority = 100
    timeout_seconds: _Seconds | None = None
    first_token_seconds: _Seconds | None = None
    retries: _Retries = 1
    context_tokens: _Context | None = None


class ProviderOut(BaseModel):
    id: UUID
    name: str
    kind: Kind
    base_url: str = Field(description="Of a shared one, who may not change it sees only scheme and host")
    has_api_key: bool
    model: str | None
    enabled: bool
    shared: bool
    priority: int
    timeout_seconds: float | None
    first_token_seconds: float | None
    retries: int
    context_tokens: int | None
    can_change: bool
    version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, config: ProviderConfig, *, can_change: bool) -> Self:
        # The whole of an address can be as good as a secret.
        base_url = config.base_url if can_change else origin(config.base_url)
        kept: dict[str, Any] = config.model_dump(exclude={"secret", "anywhere", "user_id", "base_url"})
        has_key = config.secret is not None
        return cls(**kept, base_url=base_url, has_api_key=has_key, can_change=can_change)


class ProviderList(BaseModel):
    providers: Sequence[ProviderOut]
    next_cursor: UUID | None
    total: int
