"""Custom tools: those there are, and the form of the one that is open."""

from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.drafts import draft_of
from web_ui.logins import Login
from web_ui.markdown import inline, safe
from web_ui.tool_list import show_tool
from web_ui.tools.form import show_form
from web_ui.tools.opened import CUSTOM, KIND, open_tool

__all__ = ["show_tools"]

_ADMINS_ONLY: Final = "Only an admin of this server can add tools, and change those that were added."
_OFF: Final = (
    "Custom tools are switched off on this server. Whoever runs it can set `CUSTOM_TOOLS=true` and start it "
    "anew."
)
_SOURCES: Final = {"built_in": "Built in", "custom": "Added by admins"}


def show_tools(api: Api, login: Login) -> None:
    """To admins those that can be changed, to others all that there are. Raises NotSignedIn."""
    st.title("Custom tools", anchor=False)
    draft = draft_of(KIND)
    if draft is not None:
        show_form(api, login, draft)
        return
    try:
        tools: list[dict[str, Any]] = api.get(CUSTOM)["tools"]
    except NotSignedIn:
        raise
    except ApiError as error:
        if error.code not in {"admin_only", "custom_tools_off"}:
            _say_why(error)
            return
        st.info(_OFF if error.code == "custom_tools_off" else _ADMINS_ONLY)
        _show_all(api)
    else:
        _show_custom(tools)
        if (rest := st.expander("All tools that agents can use", key="all-tools", on_change="rerun")).open:
            with rest:
                _show_all(api)


def _show_custom(tools: list[dict[str, Any]]) -> None:
    st.markdown(
        "A custom tool is a Python function, which everybody's agents can call. It runs in a sandbox."
    )
    st.button("New tool", key="new-tool", type="primary", icon=":material/add:", on_click=open_tool)
    if not tools:
        st.info("There are no custom tools yet. *New tool* adds the first one.")
    for tool in tools:
        _show_row(tool)


def _show_row(tool: Mapping[str, Any]) -> None:
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.button(
                inline(tool["name"]),
                key=f"open-{tool['tool_id']}",
                type="tertiary",
                icon=":material/edit:",
                on_click=open_tool,
                args=(tool,),
            )
            state = ":green[●] Enabled" if tool["enabled"] else ":gray[●] Disabled"
            st.markdown(f":small[{state} · version {tool['version']}]", width="content")
        st.caption(inline(tool["description"]))


def _show_all(api: Api) -> None:
    """All tools, by where they are from."""
    try:
        tools: list[dict[str, Any]] = api.get("/api/v1/tools")["tools"]
    except NotSignedIn:
        raise
    except ApiError as error:
        _say_why(error)
        return
    for source in dict.fromkeys(tool["source"] for tool in tools):
        st.subheader(_SOURCES.get(source) or f"Of the MCP server {inline(source)}", anchor=False)
        for tool in tools:
            if tool["source"] == source:
                show_tool(tool, tool["name"])


def _say_why(error: ApiError) -> None:
    st.error(safe(str(error)))
    st.button("Try again", key="once-more", icon=":material/refresh:")
