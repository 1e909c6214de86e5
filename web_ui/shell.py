"""What a tab shows: the sign-in that is missing, or the page that its address names."""

import streamlit as st

from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.chat import Chat
from web_ui.choosing import choose_agent
from web_ui.conversations import show_menu
from web_ui.logins import Login
from web_ui.markdown import safe
from web_ui.pages import go_through
from web_ui.place import leave, say_notice
from web_ui.serving import serving
from web_ui.sidebar import show_sidebar

__all__ = ["show_page"]


def show_page(login: Login | None) -> None:
    """Everything that who is signed in sees."""
    st.set_page_config(page_title="Turnlog", layout="centered", initial_sidebar_state="auto")
    if login is None:
        # Who comes back may be somebody else.
        st.session_state.clear()
        _say_signed_out()
        return
    who = login.user["user_id"]
    if st.session_state.get("who", who) != who:
        st.session_state.clear()
    st.session_state.who = who
    st.session_state.pop("draw_all", None)
    say_notice()
    try:
        go_through(_show_chat, Api(serving().http, login.bearer), login)
    except NotSignedIn:
        leave()
        _say_signed_out()


def _show_chat(api: Api, login: Login) -> None:
    try:
        choose_agent(api)
    except NotSignedIn:
        raise
    except ApiError as error:
        st.error(safe(str(error)))
        st.button("Try again", key="once-more", icon=":material/refresh:")
        return
    # First what was said just now, so that nothing delays its turn; then what is beside it.
    chat = Chat(api, login.user["user_id"])
    chat.take_prompt()
    show_sidebar(api, anew=not chat.is_live)
    chat.read()
    with st.container():
        if chat.is_there:
            last = chat.messages[-1]["id"] if chat.messages else None
            show_menu(api, last, is_branched=chat.is_branched, is_live=chat.is_live)
    chat.show()


def _say_signed_out() -> None:
    st.title("You are signed out", anchor=False)
    # A constant of ours; Streamlit's own links open another tab.
    st.html('<a href="/signin" style="color: inherit">Sign in</a>')
