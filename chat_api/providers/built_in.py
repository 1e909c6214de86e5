"""The providers of the settings."""

from dataclasses import dataclass, replace
from typing import Final

from chat_api.providers.names import Kind
from chat_api.providers.provider import NO_KEY, Provider
from chat_api.settings import Settings

__all__ = ["BuiltIn", "built_in"]

_OPENAI: Final = "https://api.openai.com/v1"
_OPENAI_MODEL: Final = "gpt-5-mini"


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """`everything` there may be, and those of them that answer where none is named, best first.

    `named`: the operator has named the one that does, so that it is taken without looking for others.
    """

    everything: tuple[Provider, ...]
    default: tuple[Provider, ...]
    named: bool


def built_in(settings: Settings, local: Provider | None = None) -> BuiltIn:
    """`local` is the built-in model, where it runs."""
    found = [
        _rooted("ollama", str(settings.ollama_endpoint)),
        _rooted("lmstudio", str(settings.lmstudio_endpoint)),
    ]
    if settings.openai_base_url is not None:
        base_url = str(settings.openai_base_url).rstrip("/")
        found.append(Provider("openai", base_url, settings.openai_api_key or NO_KEY))
    elif settings.openai_api_key:
        found.append(Provider("openai", _OPENAI, settings.openai_api_key, _OPENAI_MODEL))
    patient = [replace(provider, first_token=settings.provider_first_token_timeout) for provider in found]
    everything = [*patient, *([local] if local is not None else [])]
    named = settings.default_provider
    default = [provider for provider in everything if named in {None, provider.name}]
    if settings.default_model:
        chosen = {
            provider: replace(provider, model=settings.default_model)
            for provider in default
            if provider is not local
        }
        everything = [chosen.get(provider, provider) for provider in everything]
        default = [chosen.get(provider, provider) for provider in default]
    return BuiltIn(tuple(everything), tuple(default), named is not None)


def _rooted(kind: Kind, endpoint: str) -> Provider:
    """One whose settings name the root of its server."""
    return Provider(kind, f"{endpoint.rstrip('/')}/v1", kind=kind)
