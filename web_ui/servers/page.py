"""Other MCP servers: those there are and how they are, and the one that is open."""

from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.drafts import draft_of
from web_ui.logins import Login
from web_ui.markdown import inline, safe
from web_ui.servers.form import show_server
from web_ui.servers.health import check_again, show_health
from web_ui.servers.opened import KIND, SERVERS, open_server

__all__ = ["show_servers"]

_PAGE: Final = 100


def show_servers(api: Api, login: Login) -> None:
    """One's own servers and those of everybody, or the one that is open. Raises NotSignedIn."""
    st.title("MCP servers", anchor=False)
    draft = draft_of(KIND)
    if draft is not None:
        show_server(api, draft, by_admin=login.is_admin)
        return
    try:
        servers = _listed(api)
    except NotSignedIn:
        raise
    except ApiError as error:
        st.error(safe(str(error)))
        st.button("Try again", key="once-more", icon=":material/refresh:")
        return
    st.markdown("Your agents can use the tools of other servers that speak MCP over Streamable HTTP.")
    with st.container(horizontal=True):
        st.button(
            "Add a server", key="new-server", type="primary", icon=":material/add:", on_click=open_server
        )
        if servers:
            st.button("Ask all again", key="again", icon=":material/refresh:", on_click=check_again)
    if not servers:
        st.info("There are no servers yet. Add one that you know the address of.")
    for server in servers:
        _show_row(api, server)


def _listed(api: Api) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = api.get(SERVERS, limit=_PAGE, cursor=cursor)
        found += page["servers"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def _show_row(api: Api, server: Mapping[str, Any]) -> None:
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.button(
                inline(server["name"]),
                key=f"open-{server['id']}",
                type="tertiary",
                icon=":material/edit:" if server["can_change"] else ":material/visibility:",
                on_click=open_server,
                args=(server,),
            )
            st.caption("Everybody's" if server["shared"] else "Yours alone", width="content")
        st.text(server["url"])
        show_health(api, server)
