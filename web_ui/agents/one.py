"""One agent: what it is, what it was, who has it, how it does."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import streamlit as st

from web_ui.agent_form import show_form
from web_ui.agents.doing import show_doing
from web_ui.agents.draft import renew
from web_ui.agents.importing import exported
from web_ui.agents.place import close_agent, open_agent
from web_ui.agents.sharing import show_sharing
from web_ui.agents.versions import show_versions
from web_ui.agents.words import TITLES, facts_of, model_words
from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.choosing import chat_with
from web_ui.logins import Login
from web_ui.markdown import inline, safe
from web_ui.place import attempt, tell

__all__ = ["show_new", "show_one"]

_NOT_THERE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY})


def _path(agent_id: str) -> str:
    return f"/api/v1/agents/{quote(agent_id, safe='')}"


def show_new(api: Api) -> None:
    """The form of an agent that is not there yet. Raises NotSignedIn."""
    _show_way_back()
    st.title("New agent", anchor=False)
    show_form(api, None, lambda agent: open_agent(agent["agent_id"]))


def show_one(api: Api, login: Login, agent_id: str) -> None:
    """Raises NotSignedIn."""
    _show_way_back()
    try:
        agent = api.get(_path(agent_id))
    except NotSignedIn:
        raise
    except ApiError as error:
        if error.status in _NOT_THERE:
            st.info("There is no such agent.")
        else:
            st.error(safe(str(error)))
        return
    owned = agent["right"] == "owner"
    st.title(inline(agent["name"]), anchor=False)
    st.caption(inline(facts_of(agent)))
    _show_actions(api, login, agent)
    if agent["status"] == "archived":
        st.info("It is archived: it takes no new turns until it is taken out of the archive.")
    names = ("Settings", "Versions", "Sharing", "Use") if owned else ("Settings", "Use")
    tabs = st.tabs(names, key=f"agent-tabs-{agent_id}", on_change="rerun")
    for name, tab in zip(names, tabs, strict=True):
        if tab.open:
            with tab:
                _show_part(name, api, login, agent)


def _show_part(name: str, api: Api, login: Login, agent: Mapping[str, Any]) -> None:
    if name == "Versions":
        show_versions(api, agent)
    elif name == "Sharing":
        show_sharing(api, login, agent)
    elif name == "Use":
        show_doing(api, agent)
    elif agent["right"] == "owner":
        show_form(api, agent, _stay)
    else:
        _show_what_it_is(agent)


def _stay(_: Mapping[str, Any]) -> None:
    """On the page of the agent, which is drawn anew."""


def _show_way_back() -> None:
    st.button(
        "All agents", key="agent-back", icon=":material/arrow_back:", type="tertiary", on_click=close_agent
    )


def _show_actions(api: Api, login: Login, agent: Mapping[str, Any]) -> None:
    id_ = agent["agent_id"]
    owned, archived = agent["right"] == "owner", agent["status"] == "archived"
    with st.container(horizontal=True):
        usable = agent["right"] != "read" and not archived
        if st.button("Chat with it", key="agent-chat", icon=":material/chat:", disabled=not usable):
            chat_with(id_)
        st.button(
            "Duplicate", key="agent-copy", icon=":material/content_copy:", on_click=_copy, args=(api, id_)
        )
        st.download_button(
            "Export",
            data=lambda: exported(api, id_),
            file_name=_file_of(agent["name"]),
            mime="application/json",
            key="agent-export",
            icon=":material/download:",
            on_click="ignore",
        )
        if owned:
            words = "Take out of the archive" if archived else "Archive"
            st.button(
                words, key="agent-archive", icon=":material/archive:", on_click=_archive, args=(api, agent)
            )
            if st.button("Delete", key="agent-delete", icon=":material/delete:"):
                _ask_before_deleting(api, agent)
        else:
            st.button(
                "Give it back",
                key="agent-leave",
                icon=":material/logout:",
                on_click=_leave,
                args=(api, login, id_),
                help="It is not shared with you any more then, unless it is shared with everybody.",
            )


def _file_of(name: str) -> str:
    """A name that every system takes."""
    plain = re.sub(r"\W+", "-", name, flags=re.ASCII).strip("-").lower()[:60]
    return f"{plain or 'agent'}.json"


def _copy(api: Api, agent_id: str) -> None:
    made: list[str] = []
    if attempt(
        lambda: made.append(api.post(f"{_path(agent_id)}/duplicate")["agent_id"]),
        "This is the copy, your own.",
    ):
        open_agent(made[0])


def _archive(api: Api, agent: Mapping[str, Any]) -> None:
    archived = agent["status"] == "archived"
    words = "It is out of the archive." if archived else "It is in the archive, and takes no new turns."
    change = {"status": "active" if archived else "archived"}
    match = f'"{agent["version"]}"'
    attempt(lambda: renew(agent, api.patch(_path(agent["agent_id"]), change, if_match=match)), words)


def _leave(api: Api, login: Login, agent_id: str) -> None:
    who = quote(login.user["id"], safe="")
    if attempt(lambda: api.delete(f"{_path(agent_id)}/shares/{who}"), "It is not shared with you any more."):
        close_agent()


@st.dialog("Delete the agent?")
def _ask_before_deleting(api: Api, agent: Mapping[str, Any]) -> None:
    st.markdown(
        f"**{inline(agent['name'])}** and all its versions go, also for those whom it is shared with. "
        "Conversations with it stay, and the default assistant goes on with them. "
        "An archived agent can be taken out again; one that is deleted cannot."
    )
    if not st.button("Delete it", key="agent-delete-it", type="primary"):
        return
    try:
        api.delete(_path(agent["agent_id"]))
    except NotSignedIn:
        st.rerun()
    except ApiError as error:
        st.error(safe(str(error)))
        return
    tell("The agent is deleted.")
    close_agent()
    st.rerun()


def _show_what_it_is(agent: Mapping[str, Any]) -> None:
    """Somebody else's, to be read."""
    st.caption("Only its owner can change it. Duplicate it, and change the copy.")
    if agent["description"]:
        st.markdown(inline(agent["description"]))
    st.markdown(f"**{TITLES['system_prompt']}**")
    st.code(agent["system_prompt"], language=None, wrap_lines=True)
    tools = agent["tools"]
    facts = {
        "Model": model_words(agent["provider"], agent["model_id"]),
        "Temperature": _or_as_it_is(agent["temperature"]),
        "Max tokens": _or_as_it_is(agent["max_tokens"]),
        "Tools": "all there are" if tools is None else ", ".join(tools) or "none",
        TITLES["approvals"]: _asked(agent["approvals"]),
    }
    for title, value in facts.items():
        st.markdown(f"**{title}:** {inline(value)}")


def _or_as_it_is(value: float | None) -> str:
    return "as the provider has it" if value is None else f"{value:g}"


def _asked(rules: Mapping[str, Any]) -> str:
    changing = ["every tool that changes something"] if rules["not_read_only"] else []
    return ", ".join([*changing, *rules["tools"]]) or "nothing"
