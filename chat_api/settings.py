"""Settings of the chat backend, beside those of the tool server that it can host."""

import re
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, HttpUrl, field_validator

from chat_api.limit_settings import LimitSettings
from mcp_server.settings import McpSettings

_HOST_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", re.IGNORECASE)


def _registration(given: dict[str, Any]) -> Literal["first", "closed"]:
    """Where an issuer knows the people, the first stranger is not to become an admin."""
    return "closed" if given.get("jwt_secret_key") or given.get("jwt_jwks_url") else "first"


class Settings(LimitSettings, McpSettings):
    api_host: str = Field(default="127.0.0.1", description="Address that the API listens on")
    api_port: int = Field(default=8000, ge=0, le=65535, description="Port that the API listens on")
    web_host: str = Field(default="127.0.0.1", description="Address that the web page listens on")
    web_port: int = Field(default=8501, ge=0, le=65535, description="Port that the web page listens on")
    web_public_hosts: str = Field(
        default="",
        description="Host names by which a proxy asks a web page on loopback, comma-separated; "
        "with any there is no local user",
    )
    access_log: bool = Field(default=True, description="Whether each request is logged")
    allowed_origins: str = Field(default="", description="Web origins that may call the API, comma-separated")
    registration: Literal["first", "open", "closed"] = Field(
        default_factory=_registration,
        description="Who may register: `first`, only the first user, who is an admin; `open` or `closed`; "
        "unset: `closed` beside a token issuer of your own, else `first`",
    )
    default_provider: Literal["ollama", "lmstudio", "openai", "local"] | None = Field(
        default=None,
        description="Who answers: unset, the first of ollama, lmstudio, openai, local that is there",
    )
    default_model: str | None = Field(default=None, description="Model to use; unset: the provider's first")
    ollama_endpoint: HttpUrl = Field(
        default=HttpUrl("http://localhost:11434"), description="Address of Ollama"
    )
    lmstudio_endpoint: HttpUrl = Field(
        default=HttpUrl("http://localhost:1234"), description="Address of LM Studio"
    )
    openai_base_url: HttpUrl | None = Field(
        default=None, description="Any OpenAI-compatible address, ending in /v1"
    )
    openai_api_key: str | None = Field(default=None, description="Key for OpenAI, or for OPENAI_BASE_URL")
    provider_timeout: float = Field(
        default=120,
        gt=0,
        description="Seconds that a model may be silent; a call may take ten times that",
    )
    agent_max_tokens: int = Field(
        default=4096,
        ge=100,
        le=131_072,
        description="Tokens that an agent or a turn may let one answer of its model take at most",
    )
    provider_first_token_timeout: float | None = Field(
        default=None,
        gt=0,
        description="Seconds that a model may take to begin its answer; unset: as long as it may be silent",
    )
    provider_fallback: bool = Field(
        default=True,
        description="Whether the next provider is asked where one fails before it has said anything",
    )
    provider_check_every: float = Field(
        default=60,
        ge=0,
        description="Seconds after which it is looked anew whether the providers are there; 0: never",
    )
    max_rounds: int = Field(default=10, ge=1, le=100, description="Model calls that one turn may take")
    max_attempts: int = Field(
        default=5, ge=1, le=100, description="How often a turn is begun before it fails, where servers crash"
    )
    max_live_runs: int = Field(
        default=200, ge=1, le=10_000, description="Turns that one process drives at a time; more wait in line"
    )
    fold_after: float = Field(
        default=3600,
        ge=0,
        description="Seconds after a turn that its streamed pieces are kept apart",
    )
    context_tokens: int = Field(
        default=32_000,
        ge=1_000,
        description="Estimated tokens of a conversation that a model is sent at most",
    )
    titles_by_model: bool = Field(
        default=True, description="Whether the model names a conversation after its second turn"
    )
    conversation_retention_days: int = Field(
        default=30, ge=0, le=36_500, description="Days that a deleted conversation can be restored"
    )
    import_max_bytes: int = Field(
        default=20 * 1024 * 1024, ge=1024, le=2**30, description="Bytes of an import of conversations at most"
    )
    mcp_url: HttpUrl | None = Field(
        default=None, description="Tool server elsewhere; unset: the one in this process"
    )
    provider_key_secret: str | None = Field(
        default=None,
        min_length=32,
        description="Encrypts the secrets that are kept for users, 32 characters or more; "
        "unset: a key made in DATA_DIR",
    )
    local_model_path: Path | None = Field(
        default=None, description="Another GGUF file for the local provider"
    )

    @field_validator("web_public_hosts")
    @classmethod
    def _are_host_names(cls, value: str) -> str:
        if not all(_HOST_NAME.fullmatch(name) for name in _listed(value)):
            raise ValueError("it has to be host names alone, without https:// and without ports")
        return value

    @property
    def origins(self) -> list[str]:
        return _listed(self.allowed_origins)

    @property
    def public_hosts(self) -> list[str]:
        return [name.lower() for name in _listed(self.web_public_hosts)]


def _listed(value: str) -> list[str]:
    return [each.strip() for each in value.split(",") if each.strip()]
