"""The built-in small model: its file, its process, and how it wants to be asked."""

from chat_api.providers.local.fetch import fetch, given_model
from chat_api.providers.local.model import (
    CONTEXT_TOKENS,
    MAX_TOKENS,
    MAX_TOOL_ROUNDS,
    MODEL_NAME,
    STOP,
    TEMPERATURE,
)
from chat_api.providers.local.process import LocalModel, run_local_model
from chat_api.providers.local.provider import as_provider

__all__ = [
    "CONTEXT_TOKENS",
    "MAX_TOKENS",
    "MAX_TOOL_ROUNDS",
    "MODEL_NAME",
    "STOP",
    "TEMPERATURE",
    "LocalModel",
    "as_provider",
    "fetch",
    "given_model",
    "run_local_model",
]
