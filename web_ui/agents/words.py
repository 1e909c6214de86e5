"""An agent in words."""

from collections.abc import Mapping
from typing import Any, Final

from web_ui.history import said_at

__all__ = ["TITLES", "facts_of", "model_words", "tools_words", "whose"]

TITLES: Final = {
    "name": "Name",
    "description": "What it is for",
    "status": "Status",
    "system_prompt": "System prompt",
    "provider": "Provider",
    "model_id": "Model",
    "temperature": "Temperature",
    "max_tokens": "Max tokens",
    "tools": "Tools",
    "approvals": "What it asks about",
    "streaming": "Streaming",
    "metadata": "Metadata",
}
"""What its fields are called."""


def model_words(provider: str | None, model: str | None) -> str:
    if provider is None and model is None:
        return "Automatic"
    if provider is None:
        return f"{model} (any provider)"
    return f"{model or 'First model'} ({provider})"


def tools_words(tools: list[str] | None) -> str:
    if tools is None:
        return "all tools"
    if not tools:
        return "no tools"
    return f"{len(tools)} tool{'' if len(tools) == 1 else 's'}"


def whose(agent: Mapping[str, Any]) -> str | None:
    """Whose it is, and what one may do with it; None: one's own."""
    if agent["right"] == "owner":
        return None
    name: str = agent["owner"]["name"] or "somebody"
    return f"From {name}, to {'read' if agent['right'] == 'read' else 'use'}"


def facts_of(agent: Mapping[str, Any]) -> str:
    """What it is, in a line."""
    model = (
        "Automatic model"
        if not (agent["provider"] or agent["model_id"])
        else model_words(agent["provider"], agent["model_id"])
    )
    changed = f"version {agent['version']} · changed {said_at(agent['updated_at'])}"
    return " · ".join(filter(None, (model, tools_words(agent["tools"]), changed, whose(agent))))
