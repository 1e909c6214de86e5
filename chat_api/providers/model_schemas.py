"""Models and the state of providers on the wire."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field

from chat_api.providers.discovery import Listed
from chat_api.providers.names import Kind
from chat_api.providers.schemas import Address, ApiKey
from chat_api.providers.watch import Verdict

__all__ = [
    "ConnectRequest",
    "Connection",
    "ModelList",
    "ModelOut",
    "ProviderStatus",
    "connection_of",
    "status_of",
]

_THOUSAND: Final = 1_000
_GIGA: Final = 1_000_000_000


class ModelName(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    model_id: str = Field(description="What agents and turns name it by")
    name: str


class ModelOut(ModelName):
    """A model; what its provider does not tell is null."""

    provider: str
    size: str | None = Field(description="As a person reads it")
    size_bytes: int | None
    quantization: str | None
    family: str | None
    context_tokens: int | None
    available: bool = Field(description="Whether its provider answers")
    stale: bool = Field(description="Whether it was listed before its provider went away")

    @classmethod
    def of(cls, listed: Listed, provider: str, *, available: bool) -> Self:
        return cls(
            model_id=listed.model_id,
            provider=provider,
            name=listed.name,
            size=None if listed.size_bytes is None else _human(listed.size_bytes),
            size_bytes=listed.size_bytes,
            quantization=listed.quantization,
            family=listed.family,
            context_tokens=listed.context_tokens,
            available=available,
            stale=not available,
        )


class ModelList(BaseModel):
    models: Sequence[ModelOut]
    total: int


class ConnectRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    provider: Kind
    endpoint: Address = Field(examples=["http://localhost:11434"])
    api_key: ApiKey | None = Field(default=None, json_schema_extra={"writeOnly": True})


class Connection(BaseModel):
    """`error` says why not, where it is not `connected`."""

    connected: bool
    provider: str
    endpoint: str
    latency_ms: int | None = None
    models: Sequence[ModelName] | None = None
    error: str | None = None


class ProviderStatus(BaseModel):
    """`error` says why not, where it is not `available`."""

    model_config = ConfigDict(protected_namespaces=())

    provider: str
    available: bool
    latency_ms: int | None = None
    error: str | None = None
    endpoint: str
    model_count: int | None = None
    last_check: datetime


def connection_of(verdict: Verdict, provider: str, endpoint: str) -> Connection:
    if verdict.problem is not None:
        return Connection(
            connected=False, provider=provider, endpoint=endpoint, error=verdict.problem.message
        )
    return Connection(
        connected=True,
        provider=provider,
        endpoint=endpoint,
        latency_ms=verdict.latency_ms or 0,
        models=[ModelName(model_id=each.model_id, name=each.name) for each in verdict.models or ()],
    )


def status_of(verdict: Verdict, provider: str, endpoint: str) -> ProviderStatus:
    status = ProviderStatus(
        provider=provider,
        available=verdict.problem is None,
        endpoint=endpoint,
        last_check=verdict.checked_at,
    )
    if verdict.problem is not None:
        status.error = verdict.problem.message
    else:
        status.latency_ms, status.model_count = verdict.latency_ms or 0, len(verdict.models or ())
    return status


def _human(size: int) -> str:
    return f"{size / _GIGA:.1f}GB" if size >= _GIGA else f"{-(-size // (_THOUSAND * _THOUSAND))}MB"
