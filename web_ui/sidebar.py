"""Beside the chat: a new one, who answers, and the ones before."""

import streamlit as st

from web_ui.api import Api
from web_ui.choosing import show_agents, show_model
from web_ui.conversations import show_conversations
from web_ui.place import leave

__all__ = ["show_sidebar"]


def show_sidebar(api: Api, *, anew: bool) -> None:
    """`anew`: ask the API, in place of showing what it told before. Raises NotSignedIn."""
    with st.sidebar:
        st.button("New chat", key="new", icon=":material/edit_square:", width="stretch", on_click=leave)
        show_agents(api, anew=anew)
        show_model(api, anew=anew)
        show_conversations(api, anew=anew)
