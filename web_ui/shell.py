"""What a tab shows: the sign-in that is missing, or the page that its address names."""

import streamlit as st

from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.chat import Chat
from web_ui.choosing import choose_agent
from web_ui.conversations import show_menu
from web_ui.logins import Login
from web_ui.markdown import safe
from web_ui.pages import go_through
from web_ui.place import say_notice
from web_ui.serving import serving
from web_ui.sidebar import show_sidebar
from web_ui.signed_out import begin_here, end_here, is_over, show_signed_out
from web_ui.typed import bring_back

__all__ = ["show_page"]


def show_page(login: Login | None) -> None:
    """Everything that who is signed in sees."""
    st.set_page_config(page_title="Turnlog", layout="centered", initial_sidebar_state="auto")
    if login is None or is_over(login):
        show_signed_out(login)
        return
    begin_here(login)
    st.session_state.pop("draw_all", None)
    bring_back(login.user["user_id"])
    say_notice()
    try:
        go_through(_show_chat, Api(serving().http, login.bearer), login)
    except NotSignedIn:
        end_here(login)


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
