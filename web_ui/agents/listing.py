"""The agents that there are for somebody: to be searched, sorted and opened."""

from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from web_ui.agents.importing import import_agents
from web_ui.agents.place import open_agent, open_new
from web_ui.agents.words import facts_of
from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.choosing import chat_with
from web_ui.markdown import inline, safe

__all__ = ["show_agents_list"]

_PATH: Final = "/api/v1/agents"
_PAGE: Final = 20
_MOST: Final = 100
_LONGEST_QUERY: Final = 200
_LONGEST_ABOUT: Final = 240
_WHOSE: Final[dict[str, str | None]] = {"All": None, "Mine": "false", "Shared": "true"}
_STATUS: Final[dict[str, str | None]] = {"In use": "active", "Archived": "archived", "Both": None}
_SORTS: Final = {
    "Newest first": "-created_at",
    "Last changed first": "-updated_at",
    "By name": "name",
    "Oldest first": "created_at",
}
_COUNT: Final = "agents-listed"


def show_agents_list(api: Api) -> None:
    """Raises NotSignedIn."""
    st.title("Agents", anchor=False)
    st.caption(
        "An agent is an assistant for one kind of task: what it is told to be, its model, and its tools."
    )
    with st.container(horizontal=True):
        st.button("New agent", key="agents-new", type="primary", icon=":material/add:", on_click=open_new)
        if st.button("Import", key="agents-import", icon=":material/input:"):
            import_agents(api)
    query = _wanted()
    count: int = st.session_state.get(_COUNT, _PAGE)
    try:
        found, total = _listed(api, query, count)
    except NotSignedIn:
        raise
    except ApiError as error:
        st.error(safe(str(error)))
        st.button("Try again", key="agents-again", icon=":material/refresh:")
        return
    for agent in found:
        _show(agent)
    if not found:
        st.info(_nothing(query))
    elif len(found) < total:
        st.button(
            f"Load more ({len(found)} of {total})",
            key="agents-more",
            width="stretch",
            on_click=_list_more,
            args=(count,),
        )


def _wanted() -> dict[str, str | None]:
    """What to ask the API for; it lasts while somebody is elsewhere."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        search = st.text_input(
            "Search agents",
            key="agents-search",
            placeholder="Search",
            icon=":material/search:",
            label_visibility="collapsed",
            max_chars=_LONGEST_QUERY,
            persist_state="session",
        ).strip()
        with st.popover("Show", icon=":material/filter_list:", key="agents-filter"):
            status = st.radio("Status", list(_STATUS), key="agents-status", persist_state="session")
            sort = st.radio("Order", list(_SORTS), key="agents-sort", persist_state="session")
    whose = st.segmented_control(
        "Whose",
        list(_WHOSE),
        default="All",
        required=True,
        key="agents-whose",
        label_visibility="collapsed",
        persist_state="session",
    )
    return {
        "search": search or None,
        "status": _STATUS[status],
        "shared": _WHOSE[whose or "All"],
        "sort": _SORTS[sort],
    }


def _listed(api: Api, query: Mapping[str, str | None], count: int) -> tuple[list[dict[str, Any]], int]:
    found: list[dict[str, Any]] = []
    cursor, total = None, 0
    while len(found) < count:
        page = api.get(_PATH, **query, limit=min(count - len(found), _MOST), cursor=cursor)
        found += page["agents"]
        cursor, total = page["next_cursor"], page["total"]
        if cursor is None:
            break
    return found, total


def _list_more(count: int) -> None:
    st.session_state[_COUNT] = count + _PAGE


def _nothing(query: Mapping[str, str | None]) -> str:
    if query["search"]:
        return "No agent has these words in its name or description."
    if query["status"] == "archived":
        return "No agent is archived."
    if query["shared"] == "true":
        return "Nobody has shared an agent with you yet."
    return "You have no agent yet. Make one with *New agent*, or import one."


def _show(agent: Mapping[str, Any]) -> None:
    id_ = agent["agent_id"]
    with st.container(border=True, gap=None):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.button(
                f"**{inline(agent['name'])}**",
                key=f"agents-open-{id_}",
                type="tertiary",
                help="Open",
                on_click=open_agent,
                args=(id_,),
            )
            if agent["status"] == "archived":
                st.badge("Archived", color="gray")
            elif agent["right"] != "read" and st.button(
                "Chat",
                key=f"agents-chat-{id_}",
                icon=":material/chat:",
                type="tertiary",
            ):
                chat_with(id_)
        if agent["description"]:
            st.markdown(inline(_cut(agent["description"])))
        st.caption(inline(facts_of(agent)))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_ABOUT else f"{text[:_LONGEST_ABOUT].rstrip()}…"
