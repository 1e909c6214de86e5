"""A provider, and a model of one."""

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias
from uuid import UUID

from chat_api.providers.names import Kind

__all__ = ["NO_KEY", "ChosenModel", "Place", "Provider"]

NO_KEY: Final = "none"

Place: TypeAlias = Literal["operator", "anywhere", "public"]
"""Who has named the address: the settings, an admin, or somebody who may name public ones alone."""


@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenAI-compatible address, which ends in the API's version.

    `model` is what it is to use, where that is given; `context_tokens` and `rounds` bound what its models
    can take: the history in estimated tokens, and the calls of one turn. `silence` and `first_token` are the
    seconds that it may be silent, and may take to begin; `retries` how often it is asked again.

    One that a person has configured has an `id`, its `owner`, and its key `sealed`.
    """

    name: str
    base_url: str
    api_key: str = field(default=NO_KEY, repr=False)
    model: str | None = None
    context_tokens: int | None = None
    rounds: int | None = None
    kind: Kind = "openai"
    place: Place = "operator"
    silence: float | None = None
    first_token: float | None = None
    retries: int = 1
    id: UUID | None = None
    owner: UUID | None = None
    sealed: bytes | None = field(default=None, repr=False)
    shared: bool = True
    version: int = 0


@dataclass(frozen=True, slots=True)
class ChosenModel:
    provider: Provider
    name: str
