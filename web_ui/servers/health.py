"""Whether other MCP servers answer now, and what tools they have."""

from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any, Final

import streamlit as st

from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.aside import ask_aside, forget_aside, when_answered
from web_ui.markdown import inline
from web_ui.servers.opened import path_of
from web_ui.tool_list import show_tool

__all__ = ["check_again", "show_health", "show_tools_of"]

_CHECKS: Final = "mcp server "
_REASONS: Final = {
    "name": "its name cannot be used",
    "schema": "what it takes cannot be understood",
    "too_many": "there are too many",
}


def check_again() -> None:
    """Forget how they were; the next drawing asks."""
    forget_aside(_CHECKS)


def show_health(api: Api, server: Mapping[str, Any]) -> None:
    """A line that says how it is, once it has been asked."""
    place = st.empty()
    if not server["enabled"]:
        place.markdown(":small[:gray[●] Switched off]")
        return
    place.markdown(":small[:gray[●] Asking it …]")
    asked = ask_aside(_name(server, "test"), lambda: api.post(f"{path_of(server)}/test"))
    when_answered(asked, lambda future: place.markdown(f":small[{_words(future)}]"))


def _words(asked: Future[Any]) -> str:
    found = _result(asked)
    if isinstance(found, ApiError):
        return f":gray[●] Not known: {inline(str(found))}"
    if not found["ok"]:
        return f":red[●] Does not work: {inline(found['message'])}"
    tools = found["tools"]
    words = f":green[●] Answers in {found['latency_ms']:.0f} ms, {tools} tool{'' if tools == 1 else 's'}"
    return f"{words}, {found['left_out']} left out" if found["left_out"] else words


def show_tools_of(api: Api, server: Mapping[str, Any]) -> None:
    """What each tool of it does, once it has been asked."""
    st.subheader("Its tools", anchor=False)
    place = st.empty()
    place.caption("Asking it …")
    asked = ask_aside(_name(server, "tools"), lambda: api.get(f"{path_of(server)}/tools"))
    when_answered(asked, partial(_show_tools, place))


def _show_tools(place: Any, asked: Future[Any]) -> None:
    found = _result(asked)
    if isinstance(found, ApiError):
        place.caption(f"They cannot be listed now: {inline(str(found))}")
        return
    with place.container():
        if not found["tools"]:
            st.info("It has no tools that can be used.")
        else:
            st.caption(
                "An agent that asks before a tool changes something asks before each of these that does not "
                "only read."
            )
        for tool in found["tools"]:
            show_tool(tool, tool["name"])
        for each in found["left_out"]:
            st.caption(f"{inline(each['name'])} is left out: {_REASONS[each['reason']]}.")


def _result(asked: Future[Any]) -> Any:
    """What was told, or why nothing was. Raises NotSignedIn."""
    try:
        return asked.result()
    except NotSignedIn:
        raise
    except ApiError as error:
        return error


def _name(server: Mapping[str, Any], question: str) -> str:
    """Another one once the server was changed."""
    return f"{_CHECKS}{server['id']} {server['version']} {question}"
