"""Trying a provider out: what came of it, and what to do where it does not answer, in plain words."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import streamlit as st

from web_ui.markdown import inline

__all__ = ["KINDS", "count_of", "show_outcome", "trouble"]

KINDS: Final[Mapping[str, str]] = {
    "ollama": "Ollama",
    "lmstudio": "LM Studio",
    "openai": "OpenAI-compatible",
}
_NAMED: Final = 5
_SILENT: Final = ("Connection refused", "Connection timeout", "cannot be reached", "breaks the connection")
_ELSEWHERE: Final = ("list of models", "web page", "status 4")
_TO_START: Final = {
    "ollama": "Start Ollama with `ollama serve`, and look whether the address is right.",
    "lmstudio": "Start LM Studio's server (Developer, Start server), and look whether the address is right.",
    "openai": "Look whether its server runs, and whether the address is right.",
    "local": "Fetch it with `turnlog model fetch`, and start Turnlog again.",
}
_TO_NAME: Final = {
    "openai": "Look at the address: it has to end where the version begins, mostly with `/v1`.",
}
_TO_LOAD: Final = {
    "ollama": "Fetch one with `ollama pull qwen3`, for instance.",
    "lmstudio": "Download one in LM Studio.",
}


def trouble(kind: str, error: str | None) -> str:
    """What is wrong and what to do, as Markdown. `error` is as the API tells it."""
    if not error:
        return "It does not answer."
    return f"{inline(error.rstrip('.'))}. {_advice(kind, error)}"


def _advice(kind: str, error: str) -> str:
    if any(words in error for words in _SILENT):
        return _TO_START.get(kind, "")
    if any(words in error for words in _ELSEWHERE):
        return _TO_NAME.get(kind, "Look at the address: it has to be the root of its server.")
    return "Type the key anew, or ask for another one." if "API key" in error else ""


def count_of(count: int) -> str:
    return "no models" if count == 0 else f"{count} model{'' if count == 1 else 's'}"


def show_outcome(kind: str, outcome: Mapping[str, Any]) -> None:
    """What the API tells of a test: `connected` with `latency_ms` and `models`, or an `error`."""
    if not outcome["connected"]:
        st.error(trouble(kind, outcome.get("error")))
        return
    models: Sequence[Mapping[str, Any]] = outcome.get("models") or ()
    answers = f"It answers in {outcome.get('latency_ms', 0)} ms, with {count_of(len(models))}"
    if models:
        st.success(f"{answers}: {_names(models)}.")
    else:
        st.warning(f"{answers} that can chat. {_TO_LOAD.get(kind, '')}")


def _names(models: Sequence[Mapping[str, Any]]) -> str:
    shown = ", ".join(inline(model["model_id"]) for model in models[:_NAMED])
    more = len(models) - _NAMED
    return f"{shown} and {more} more" if more > 0 else shown
