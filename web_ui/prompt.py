"""The field in which somebody says something, and what was said in it until it is sent."""

from typing import Final

import streamlit as st

from web_ui.place import conversation

__all__ = ["FIELD", "is_said", "show_field", "take_said"]

FIELD: Final = "say"
_SAID: Final = "said"
_LONGEST_MESSAGE: Final = 100_000


def show_field(*, disabled: bool) -> None:
    """At the bottom of the page, wherever this stands."""
    st.chat_input(
        "Message",
        key=FIELD,
        max_chars=_LONGEST_MESSAGE,
        submit_mode="disable",
        disabled=disabled,
        on_submit=_keep,
    )


def _keep() -> None:
    """Until it is sent: the drawing that would send it may be broken off."""
    st.session_state[_SAID] = (st.session_state.get("place", conversation()), st.session_state[FIELD])


def is_said() -> bool:
    return _SAID in st.session_state


def take_said() -> tuple[str | None, str]:
    """The conversation, and what was said in it; nothing where all is sent."""
    return st.session_state.pop(_SAID, (None, ""))
