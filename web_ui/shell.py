"""The page around the chat."""

import streamlit as st

from web_ui.api import Api, NotSignedIn
from web_ui.chat import new_chat, show_chat
from web_ui.logins import Login
from web_ui.serving import serving
from web_ui.sidebar import show_sidebar

__all__ = ["show_page"]


def show_page(login: Login | None) -> None:
    """Everything that who is signed in sees."""
    st.set_page_config(page_title="Turnlog", layout="centered", initial_sidebar_state="auto")
    if login is None:
        _say_signed_out()
        return
    try:
        notice = st.session_state.pop("notice", None)
        if notice:
            st.toast(notice, icon=":material/info:")
        api = Api(serving().http, login.bearer)
        show_sidebar(login)
        show_chat(api, login)
    except NotSignedIn:
        new_chat()
        _say_signed_out()


def _say_signed_out() -> None:
    st.title("You are signed out", anchor=False)
    # A constant of ours; Streamlit's own links open another tab.
    st.html('<a href="/signin">Sign in</a>')
