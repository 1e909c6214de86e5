"""The fields of the form of an agent. What is typed is in its draft at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import streamlit as st

from web_ui.agents.boxes import show_tools
from web_ui.agents.draft import FRESH, Draft
from web_ui.agents.words import model_words
from web_ui.api import Api
from web_ui.labels import unlike
from web_ui.place import remembered

__all__ = ["Choices", "choices_of", "show_fields"]

_LONGEST_NAME: Final = 255
_LONGEST_DESCRIPTION: Final = 2000
_LONGEST_PROMPT: Final = 50_000
_LONGEST_NOTES: Final = 16_384
_FEWEST_TOKENS: Final = 100
_MOST_TOKENS: Final = 131_072
_ANY: Final = (None, None)
_Model = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class Choices:
    """What there is to choose from, as the API tells it; `tools` is None where it could not."""

    models: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None


def choices_of(api: Api) -> Choices:
    """Raises NotSignedIn."""
    with st.spinner("Looking for models and tools…"):
        models = remembered("models", lambda: api.get("/api/v1/models")["models"], [], anew=True)
        tools = remembered("tools", lambda: api.get("/api/v1/tools")["tools"], None, anew=True)
    return Choices(models, tools)


def show_fields(draft: Draft, choices: Choices) -> dict[str, Any]:
    """All of them; a place for what is wrong beside each, by its name."""
    return {
        "name": _text(draft, "name", "Name", _LONGEST_NAME),
        "description": _long(
            draft, "description", "What it is for (may be left out)", _LONGEST_DESCRIPTION, 80
        ),
        "system_prompt": _long(draft, "system_prompt", "System prompt", _LONGEST_PROMPT, 260),
        "model_id": _model(draft, choices.models),
        **_numbers(draft),
        "tools": _tools(draft, choices.tools),
        "approvals": _approvals(draft, choices.tools or []),
        **_others(draft),
    }


def _text(draft: Draft, name: str, label: str, longest: int) -> Any:
    key = _begun(draft, name)
    draft.values[name] = st.text_input(label, key=key, max_chars=longest)
    return st.empty()


def _long(draft: Draft, name: str, label: str, longest: int, height: int) -> Any:
    key = f"{draft.key}-{name}"
    st.session_state.setdefault(key, draft.values[name] or "")
    said = st.text_area(label, key=key, max_chars=longest, height=height)
    # An empty one is none, where there can be none.
    draft.values[name] = said if said.strip() or FRESH[name] is not None else None
    if name == "system_prompt":
        st.caption(f"{len(said):,} characters of {longest:,}")
    return st.empty()


def _begun(draft: Draft, name: str) -> str:
    """The key of a field, which shows what the draft has."""
    key = f"{draft.key}-{name}"
    st.session_state.setdefault(key, draft.values[name])
    return key


def _model(draft: Draft, listed: Iterable[dict[str, Any]]) -> Any:
    there = {(each["provider"], each["model_id"]): each["available"] for each in listed}
    providers = dict.fromkeys(provider for provider, _ in there)
    choices: dict[_Model, bool] = {_ANY: True}
    for name in providers:
        mine = {model: there[model] for model in there if model[0] == name}
        choices |= {(name, None): any(mine.values()), **mine}
    values, before = draft.values, draft.before
    for named in ((values["provider"], values["model_id"]), (before["provider"], before["model_id"])):
        choices.setdefault(named, False)

    labels = unlike(
        {
            choice: model_words(*choice) + ("" if is_there else " · not there now")
            for choice, is_there in choices.items()
        }
    )
    key = f"{draft.key}-model"
    st.session_state.setdefault(key, (values["provider"], values["model_id"]))
    values["provider"], values["model_id"] = st.selectbox(
        "Model",
        list(choices),
        key=key,
        format_func=lambda choice: labels[choice],
        help="Automatic: the first provider that answers, and its first model.",
    )
    return st.empty()


def _numbers(draft: Draft) -> dict[str, Any]:
    """How warm, and how long; or as the provider has it."""
    left, right = st.columns(2)
    with left:
        warmth = _own(draft, "temperature", "Choose the temperature")
        if warmth:
            draft.values["temperature"] = st.slider(
                "Temperature", 0.0, 2.0, step=0.05, key=_begun(draft, "temperature")
            )
        temperature = st.empty()
    with right:
        if _own(draft, "max_tokens", "Limit the length of answers"):
            draft.values["max_tokens"] = st.number_input(
                "Max tokens",
                _FEWEST_TOKENS,
                _MOST_TOKENS,
                step=100,
                key=_begun(draft, "max_tokens"),
            )
        length = st.empty()
    return {"temperature": temperature, "max_tokens": length}


def _own(draft: Draft, name: str, words: str) -> bool:
    """Whether the agent has a value of its own; without one, it is as the provider has it."""
    key = f"{draft.key}-own-{name}"
    st.session_state.setdefault(key, draft.values[name] is not None)
    if not st.toggle(words, key=key, help="Otherwise it is as the provider has it."):
        draft.values[name] = None
        return False
    if draft.values[name] is None:
        draft.values[name] = FRESH[name]
    if name == "temperature":
        draft.values[name] = float(draft.values[name])
    return True


def _tools(draft: Draft, listed: list[dict[str, Any]] | None) -> Any:
    if listed is None:
        st.warning("The tools cannot be listed now. Those that the agent names stay.")
    show_tools(draft, listed or [])
    return st.empty()


def _approvals(draft: Draft, listed: Iterable[dict[str, Any]]) -> Any:
    rules = draft.values["approvals"]
    names = dict.fromkeys(
        [*(tool["name"] for tool in listed), *rules["tools"], *draft.before["approvals"]["tools"]]
    )
    asks, always = f"{draft.key}-asks", f"{draft.key}-always"
    st.session_state.setdefault(asks, rules["not_read_only"])
    st.session_state.setdefault(always, [name for name in names if name in rules["tools"]])
    st.markdown("**What it asks about before**")
    changing = st.checkbox("Ask me before a tool changes something", key=asks)
    wanted = st.multiselect("Ask me before these, always", list(names), key=always, placeholder="No tool")
    draft.values["approvals"] = {"tools": wanted, "not_read_only": changing}
    return st.empty()


def _others(draft: Draft) -> dict[str, Any]:
    with st.expander("For programs", key=f"{draft.key}-programs"):
        draft.values["streaming"] = st.checkbox(
            "Answer as a stream at the agent's own address",
            key=_begun(draft, "streaming"),
            help="Where a program does not say which it wants. This page always shows answers as they come.",
        )
        key = f"{draft.key}-metadata"
        st.session_state.setdefault(key, draft.notes)
        draft.notes = st.text_area("Metadata, as JSON (may be left out)", key=key, max_chars=_LONGEST_NOTES)
    # Not in what may be closed.
    return {"metadata": st.empty()}
