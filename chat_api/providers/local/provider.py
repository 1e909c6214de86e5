"""The built-in model among the providers."""

from typing import Final

from chat_api.providers.local.model import CONTEXT_TOKENS, MAX_TOKENS, MAX_TOOL_ROUNDS, MODEL_NAME
from chat_api.providers.local.process import LocalModel
from chat_api.providers.provider import Provider

__all__ = ["as_provider"]

# What the tools' schemas and the instructions take of the context.
_TOOLS_TOKENS: Final = 6_000


def as_provider(model: LocalModel) -> Provider:
    return Provider(
        "local",
        model.base_url,
        model.api_key,
        MODEL_NAME,
        context_tokens=CONTEXT_TOKENS - _TOOLS_TOKENS - 2 * MAX_TOKENS,
        # One call a round, and then the answer.
        rounds=MAX_TOOL_ROUNDS + 1,
    )
