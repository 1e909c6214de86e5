"""Beside the chat: a new one, and who is signed in."""

import streamlit as st

from web_ui.chat import new_chat
from web_ui.logins import Login
from web_ui.markdown import inline

__all__ = ["show_sidebar"]


def show_sidebar(login: Login) -> None:
    with st.sidebar:
        st.button("New chat", key="new", icon=":material/edit_square:", width="stretch", on_click=new_chat)
        st.caption(inline(login.name))
        st.html('<a href="/signout">Sign out</a>')
