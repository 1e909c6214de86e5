"""Making an agent, and changing one."""

from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.markdown import safe
from web_ui.place import tell

__all__ = ["change_agent", "new_agent"]

_PATH: Final = "/api/v1/agents"
_LONGEST_NAME: Final = 255
_LONGEST_PROMPT: Final = 50_000
_MOST_TOKENS: Final = 4096
_FRESH: Final[dict[str, Any]] = {
    "name": "",
    "system_prompt": "",
    "provider": None,
    "model_id": None,
    "temperature": 0.7,
    "max_tokens": 2048,
    "tools": None,
    "approvals": {"tools": [], "not_read_only": False},
}
_ANY: Final = (None, None)


@st.dialog("New agent", width="medium")
def new_agent(api: Api) -> None:
    changes = _form(api, _FRESH, "Create")
    if changes is not None:
        _keep(lambda: api.post(_PATH, {**_FRESH, **changes}), "There is a new agent.")


@st.dialog("Change the agent", width="medium")
def change_agent(api: Api, agent: Mapping[str, Any]) -> None:
    """A new version of it, unless somebody else has made one meanwhile."""
    changes = _form(api, agent, "Save")
    if changes == {}:
        st.rerun()
    if changes is not None:
        path, version = f"{_PATH}/{agent['agent_id']}", agent["version"]
        _keep(lambda: api.patch(path, changes, if_match=f'"{version}"'), "The agent is changed.")


def _keep(keeping: Any, words: str) -> None:
    """Send it; the selector shows it from then on."""
    try:
        kept = keeping()
    except NotSignedIn:
        st.rerun()
    except ApiError as error:
        st.error(safe(str(error)))
        return
    tell(words)
    st.session_state.next_agent = kept["agent_id"]
    st.rerun()


def _form(api: Api, agent: Mapping[str, Any], words: str) -> dict[str, Any] | None:
    """What was changed, once it was sent and can be kept.

    What was left as it is shown is left as it is: the form has no way to show that nothing was chosen.
    """
    try:
        models = api.get("/api/v1/models")["models"]
        tools: list[str] = [tool["name"] for tool in api.get("/api/v1/tools")["tools"]]
    except ApiError as error:
        st.error(safe(str(error)))
        return None
    with st.form("agent-form", border=False):
        name = st.text_input("Name", str(agent["name"]), max_chars=_LONGEST_NAME)
        prompt = st.text_area(
            "System prompt", str(agent["system_prompt"]), max_chars=_LONGEST_PROMPT, height=160
        )
        provider, model = _model(models, (agent["provider"], agent["model_id"]))
        warmth, length = _or(agent["temperature"], 0.7), int(_or(agent["max_tokens"], 2048))
        temperature = st.slider("Temperature", 0.0, 2.0, warmth, 0.1)
        longest = st.number_input("Max tokens", min(100, length), max(_MOST_TOKENS, length), length, 100)
        offered = list(dict.fromkeys([*tools, *(agent["tools"] or [])]))
        chosen = offered if agent["tools"] is None else agent["tools"]
        wanted = st.multiselect("Tools", offered, chosen)
        rules = agent["approvals"]
        asks = st.checkbox("Ask me before a tool changes something", rules["not_read_only"])
        if not st.form_submit_button(words, type="primary"):
            return None
    if not name.strip() or not prompt.strip():
        st.error("An agent needs a name and a system prompt.")
        return None
    before = {"name": agent["name"], "system_prompt": agent["system_prompt"], "temperature": warmth}
    before |= {"max_tokens": length, "tools": chosen, "approvals": {"not_read_only": rules["not_read_only"]}}
    now = {"name": name, "system_prompt": prompt, "temperature": temperature}
    now |= {"max_tokens": longest, "tools": wanted, "approvals": {"not_read_only": asks}}
    changes = {field: value for field, value in now.items() if value != before[field]}
    if (provider, model) != (agent["provider"], agent["model_id"]):
        changes |= {"provider": provider, "model_id": model}
    return changes


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else float(value)


def _model(
    listed: list[dict[str, Any]], before: tuple[str | None, str | None]
) -> tuple[str | None, str | None]:
    """A provider and its model; none: what there is."""
    choices = [_ANY, *((each["provider"], each["model_id"]) for each in listed)]
    if before not in choices:
        choices.append(before)

    def label(choice: tuple[str | None, str | None]) -> str:
        provider, model = choice
        return "Automatic" if choice == _ANY else f"{model or 'first'} ({provider or 'any'})"

    return st.selectbox("Model", choices, choices.index(before), format_func=label)
