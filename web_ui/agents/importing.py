"""Agents as documents: what one server has exported, another takes."""

import json
from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from web_ui.agents.place import open_agent
from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.markdown import inline, safe
from web_ui.place import tell

__all__ = ["exported", "import_agents"]

_PATH: Final = "/api/v1/agents"
_LONGEST: Final = 1_000_000


def exported(api: Api, agent_id: str) -> bytes:
    """The document of an agent, for a file."""
    document = api.get(f"{_PATH}/{agent_id}/export")
    return json.dumps(document, ensure_ascii=False, indent=2).encode()


@st.dialog("Import agents", width="medium")
def import_agents(api: Api) -> None:
    """What is refused stays in the field, with why."""
    given = st.text_area(
        "What was exported, as JSON",
        key="agents-document",
        height=260,
        max_chars=_LONGEST,
        help="Open the file of an exported agent, and paste all of it here. A list of several will do, too.",
    )
    if not st.button("Import", key="agents-take", type="primary"):
        return
    try:
        document = json.loads(given)
    except ValueError:
        st.error("This is not JSON. Paste the whole of an exported agent, from its first brace to its last.")
        return
    try:
        made = api.post(f"{_PATH}/import", document)["agents"]
    except NotSignedIn:
        st.rerun()
    except ApiError as error:
        st.error(safe(str(error)))
        return
    tell(_words(made))
    open_agent(made[0]["agent_id"])
    st.rerun()


def _words(made: list[Mapping[str, Any]]) -> str:
    """What there is now, and what was left out."""
    said = [
        f"There is a new agent, {inline(made[0]['name'])}."
        if len(made) == 1
        else f"There are {len(made)} new agents."
    ]
    tools = dict.fromkeys(name for agent in made for name in agent["unknown_tools"])
    if tools:
        said.append(f"Left out, as these tools are not there: {', '.join(map(inline, tools))}.")
    providers = dict.fromkeys(agent["unknown_provider"] for agent in made if agent["unknown_provider"])
    if providers:
        said.append(f"Not there yet: the provider {', '.join(map(inline, providers))}.")
    return " ".join(said)
