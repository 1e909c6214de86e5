"""Where somebody is: the conversation that the address names, and what their tab keeps of it."""

from collections.abc import Callable
from typing import Any, Final, TypeVar
from urllib.parse import urlencode
from uuid import UUID

import streamlit as st

from web_ui.api import ApiError, NotSignedIn
from web_ui.markdown import safe

__all__ = [
    "DEFAULT_AGENT",
    "address_of",
    "attempt",
    "conversation",
    "conversation_before",
    "draw_all",
    "draw_what_changed",
    "enter",
    "find_place",
    "forget",
    "go_to",
    "leave",
    "remembered",
    "say_notice",
    "tell",
]

DEFAULT_AGENT: Final = "default"
_PLACE: Final = "c"
_NOWHERE: Final = str(UUID(int=0))
_OF_A_CONVERSATION: Final = ("turn", "put_off", "history", "fallbacks", "shown", "leaf")
T = TypeVar("T")


def conversation() -> str | None:
    """The id that is in the address; whether there is such a conversation, the API says.

    For what is no id, one that there is none of.
    """
    given = st.query_params.get(_PLACE)
    try:
        return None if given is None else str(UUID(given))
    except ValueError:
        return _NOWHERE


def address_of(conversation_id: str | None) -> str:
    """Where a conversation is on this page, or a new one."""
    return "/" if conversation_id is None else f"/?{urlencode({_PLACE: conversation_id})}"


def conversation_before() -> str | None:
    """The one that was open in this tab last; other pages have none in their address."""
    here = conversation() or st.session_state.get("last_conversation")
    st.session_state.last_conversation = here
    return here


def enter(conversation_id: str) -> None:
    """Name in the address where one is already, for a reload."""
    st.session_state.agent_of = st.session_state.place = conversation_id
    if conversation() != conversation_id:
        st.session_state.entered = conversation_id
        st.query_params[_PLACE] = conversation_id


def find_place() -> None:
    """Forget what is of another conversation, as after the browser's Back."""
    here = conversation()
    place = st.session_state.setdefault("place", here)
    if here == place:
        st.session_state.pop("entered", None)
    elif here is None and place == st.session_state.get("entered"):
        # Something was clicked before the browser had heard of its new address.
        enter(place)
    else:
        _forget_conversation()
        st.session_state.place = st.session_state.last_conversation = here


def go_to(conversation_id: str, agent_id: str | None, message_id: str | None = None) -> None:
    """Open a conversation, with the agent that answered last; on the branch of a message, if one is given.

    A turn that goes on does so by itself.
    """
    _forget_conversation()
    # At once, as each change of the address is a step for the browser's Back.
    st.query_params.from_dict({_PLACE: conversation_id})
    st.session_state.place = st.session_state.last_conversation = conversation_id
    st.session_state.agent = agent_id or DEFAULT_AGENT
    st.session_state.agent_of = conversation_id
    if message_id is not None:
        st.session_state.leaf = message_id


def leave() -> None:
    """Begin a new conversation."""
    st.query_params.clear()
    _forget_conversation()
    st.session_state.place = st.session_state.last_conversation = None
    st.session_state.pop("agent_of", None)


def _forget_conversation() -> None:
    for name in _OF_A_CONVERSATION:
        st.session_state.pop(name, None)


def tell(words: str) -> None:
    """Say something to the person once the page is drawn anew."""
    st.session_state.notice = words


def draw_all() -> None:
    """Have the whole page drawn anew, after a click in a part that is drawn by itself."""
    st.session_state.draw_all = True


def draw_what_changed() -> None:
    """To be called first in such a part."""
    if st.session_state.pop("draw_all", False):
        st.rerun()
    say_notice()


def say_notice() -> None:
    """What was to be told."""
    if notice := st.session_state.pop("notice", None):
        st.toast(safe(notice), icon=":material/info:")


def attempt(action: Callable[[], object], words: str) -> bool:
    """Do what was clicked, and say `words` once the page is drawn anew, or why it was not done."""
    try:
        action()
    except ApiError as error:
        tell(str(error))
        return False
    tell(words)
    return True


def remembered(name: str, ask: Callable[[], T], otherwise: T, *, anew: bool) -> T:
    """What `ask` tells; what it told before where `anew` is not wanted, or the API does not answer.

    Raises NotSignedIn.
    """
    kept: dict[str, Any] = st.session_state.setdefault("remembered", {})
    if anew or name not in kept:
        try:
            kept[name] = ask()
        except NotSignedIn:
            raise
        except ApiError:
            return kept.get(name, otherwise)
    return kept[name]


def forget(*names: str) -> None:
    """Have what is remembered under these names, or names that begin so, asked for anew."""
    kept: dict[str, Any] = st.session_state.get("remembered", {})
    for name in [each for each in kept if each.startswith(names)]:
        del kept[name]
