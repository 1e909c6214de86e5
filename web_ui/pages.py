"""The pages beside the chat, and the links from each to the others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from web_ui.account import show_account
from web_ui.agents.show import show_agents_page
from web_ui.api import Api
from web_ui.aside import forget_answers, show_answers
from web_ui.connecting import show_connect
from web_ui.keys import show_keys
from web_ui.logins import Login
from web_ui.look import keep_in_place
from web_ui.markdown import inline
from web_ui.place import conversation_before
from web_ui.providers import show_providers
from web_ui.scripts import scripted
from web_ui.servers.page import show_servers
from web_ui.todos import show_todos
from web_ui.tools.page import show_tools
from web_ui.usage import show_usage

__all__ = ["PATHS", "Place", "go_through"]

Show = Callable[[Api, Login], None]


@dataclass(frozen=True, slots=True)
class Place:
    """A page at `/path`, which shows itself to somebody. `of_settings`: its link is on those pages alone."""

    path: str
    title: str
    icon: str
    show: Show
    of_settings: bool = False


_PLACES: Final[tuple[Place, ...]] = (
    Place("todos", "Todos", ":material/checklist:", show_todos),
    Place("agents", "Agents", ":material/smart_toy:", show_agents_page),
    Place("usage", "Usage", ":material/monitoring:", show_usage),
    Place("account", "Account", ":material/person:", show_account, of_settings=True),
    Place("keys", "API keys", ":material/key:", show_keys, of_settings=True),
    Place("providers", "Providers", ":material/dns:", show_providers, of_settings=True),
    Place("tools", "Custom tools", ":material/build:", show_tools, of_settings=True),
    Place("servers", "MCP servers", ":material/lan:", show_servers, of_settings=True),
    Place("connect", "Connect", ":material/cable:", show_connect, of_settings=True),
)
PATHS: Final = frozenset(f"/{place.path}" for place in _PLACES)
"""The chat is at `/`."""


def go_through(chat: Show, api: Api, login: Login) -> None:
    """Show the links, and the page that the address names. Raises NotSignedIn."""
    places = (Place("", "Chat", ":material/chat:", chat), *_PLACES)
    pages = {place: _page(place, api, login) for place in places}
    named = st.navigation(list(pages.values()), position="hidden")
    here = next(place for place, page in pages.items() if page is named)
    _show_links(pages, here)
    forget_answers()
    keep_in_place()
    named.run()
    with st.sidebar:
        st.divider()
        st.caption(inline(login.name))
        # A constant of ours; Streamlit's own links open another tab.
        st.html('<a href="/signout" style="color: inherit; font-size: 0.875rem">Sign out</a>')
        scripted("fold")(key="fold", height=1)
    show_answers()


def _page(place: Place, api: Api, login: Login) -> StreamlitPage:
    showing = partial(place.show, api, login)
    return st.Page(showing, title=place.title, url_path=place.path, default=not place.path)


def _show_links(pages: Mapping[Place, StreamlitPage], here: Place) -> None:
    """In the sidebar; those of settings once one is there."""
    settings = [place for place in pages if place.of_settings]
    first = [place for place in pages if not place.of_settings] + settings[:1]
    with st.sidebar:
        for place in first:
            title, icon = (
                ("Settings", ":material/settings:") if place.of_settings else (place.title, place.icon)
            )
            before = conversation_before() if not place.path else None
            query = None if before is None else {"c": before}
            st.page_link(pages[place], label=title, icon=icon, query_params=query, width="stretch")
        if here.of_settings:
            st.divider()
            for place in settings:
                st.page_link(pages[place], icon=place.icon, width="stretch")
