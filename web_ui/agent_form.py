"""Making an agent, and changing one."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import streamlit as st

from web_ui.agents.differences import show_difference
from web_ui.agents.draft import Draft, draft_of, drop
from web_ui.agents.fields import Choices, choices_of, show_fields
from web_ui.agents.words import TITLES
from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.markdown import inline, safe
from web_ui.place import tell

__all__ = ["change_agent", "new_agent", "show_form"]

_PATH: Final = "/api/v1/agents"
Kept = Callable[[Mapping[str, Any]], None]


def new_agent(api: Api) -> None:
    """A dialog, after which the new one is chosen for the chat. Raises NotSignedIn."""
    _make(api, choices_of(api))


def change_agent(api: Api, agent: Mapping[str, Any]) -> None:
    """A dialog that makes a new version. Raises NotSignedIn."""
    _change(api, agent, choices_of(api))


@st.dialog("New agent", width="medium")
def _make(api: Api, choices: Choices) -> None:
    _form(api, None, choices, _choose)


@st.dialog("Change the agent", width="medium")
def _change(api: Api, agent: Mapping[str, Any], choices: Choices) -> None:
    _form(api, agent, choices, _choose)


def _choose(agent: Mapping[str, Any]) -> None:
    st.session_state.next_agent = agent["agent_id"]


def show_form(api: Api, agent: Mapping[str, Any] | None, on_kept: Kept) -> None:
    """The form on a page; None: of a new agent. `on_kept` is told what was kept. Raises NotSignedIn."""
    _by_itself(api, agent, choices_of(api), on_kept)


def _form(api: Api, agent: Mapping[str, Any] | None, choices: Choices, on_kept: Kept) -> None:
    draft = draft_of(agent)
    slots = show_fields(draft, choices)
    with st.container(horizontal=True, vertical_alignment="center"):
        words = "Create" if agent is None else "Save"
        if st.button(words, type="primary", key=f"{draft.key}-keep"):
            _keep(api, draft, draft.before.get("version"), on_kept)
        if draft.is_touched:
            undo = "Start over" if agent is None else "Undo my changes"
            st.button(undo, key=f"{draft.key}-drop", type="tertiary", on_click=drop, args=(draft,))
    _show_faults(draft, slots)
    if draft.theirs is not None:
        _show_conflict(api, draft, draft.theirs, on_kept)


_by_itself = st.fragment(_form)


def _keep(api: Api, draft: Draft, version: int | None, on_kept: Kept) -> None:
    """Send it, and begin anew; or remember what is wrong with it."""
    # They stay beside the fields until it is tried again: what moves under the pointer is not clicked.
    draft.refused = draft.faults
    if draft.refused:
        return
    try:
        kept = _sent(api, draft, version)
    except NotSignedIn:
        # The page says so, drawn anew.
        st.rerun()
    except ApiError as error:
        _refuse(api, draft, error)
        return
    drop(draft)
    tell("There is a new agent." if version is None else "The agent is changed.")
    on_kept(kept)
    st.rerun()


def _sent(api: Api, draft: Draft, version: int | None) -> Any:
    if version is None:
        # What is not sent is as this server has it.
        return api.post(_PATH, draft.changes)
    path = f"{_PATH}/{draft.before['agent_id']}"
    if not draft.changes:
        return draft.before
    return api.patch(path, draft.changes, if_match=f'"{version}"')


def _refuse(api: Api, draft: Draft, error: ApiError) -> None:
    if error.code == "agent_changed":
        try:
            draft.theirs = api.get(f"{_PATH}/{draft.before['agent_id']}")
        except ApiError as trouble:
            draft.refused = {"": str(trouble)}
    elif error.code == "too_many_tokens":
        draft.refused = {"max_tokens": str(error)}
    elif error.code == "unknown_tools":
        draft.refused = {"tools": str(error)}
    else:
        named = {name.partition(".")[0]: words for name, words in error.fields.items()}
        draft.refused = named or {"": str(error)}


def _show_faults(draft: Draft, slots: Mapping[str, Any]) -> None:
    """Each beside its field, and at the end those of none."""
    for name, words in draft.refused.items():
        if name in slots:
            slots[name].markdown(f":red[:material/error: {inline(words)}]")
        else:
            st.error(safe(f"{TITLES[name]}: {words}" if name in TITLES else words))
    if draft.refused and "" not in draft.refused:
        st.caption("It is not kept yet. What is missing is said beside the fields.")


def _show_conflict(api: Api, draft: Draft, theirs: Mapping[str, Any], on_kept: Kept) -> None:
    """Somebody else has changed it: what they did, and whose is to count."""
    version = draft.before["version"]
    with st.container(border=True):
        st.markdown(
            f"**Somebody has changed this agent meanwhile**, from version {version} to {theirs['version']}:"
        )
        try:
            path = f"{_PATH}/{theirs['agent_id']}/versions/{version}/diff"
            show_difference(api.get(path, to=theirs["version"]))
        except NotSignedIn:
            st.rerun()
        except ApiError as error:
            st.error(safe(str(error)))
        mine = ", ".join(TITLES[name].lower() for name in draft.changes)
        st.caption(f"You have changed: {mine}. Saved over it, everything else stays as they made it.")
        with st.container(horizontal=True):
            if st.button("Save mine over it", key=f"{draft.key}-over"):
                _keep(api, draft, theirs["version"], on_kept)
            st.button("Take theirs", key=f"{draft.key}-theirs", on_click=_take, args=(draft, theirs))


def _take(draft: Draft, theirs: Mapping[str, Any]) -> None:
    drop(draft)
    draft_of(theirs)
