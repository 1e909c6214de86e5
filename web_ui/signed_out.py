"""What a tab shows once its login is over: the way back in, and that what was typed is kept."""

from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Final
from urllib.parse import quote, urlsplit
from uuid import uuid4

import streamlit as st

from web_ui.logins import Login
from web_ui.pages import PATHS
from web_ui.prompt import show_field
from web_ui.scripts import scripted
from web_ui.typed import address, keep_field, keep_typed

__all__ = ["begin_here", "end_here", "is_over", "show_signed_out"]

_WHO: Final = "who"
_OVER: Final = "login over"
_REFUSED: Final = "login refused"
_FIELD: Final = "typed"
_TITLE: Final = "You are signed out"


@dataclass(slots=True)
class _Over:
    """Whose login is over in this tab, and which it was if the browser has it still.

    `is_told`: what is in the chat's field is known; `kept`: something is.
    """

    user_id: str
    tab: str
    login: Login | None
    kept: bool
    is_told: bool


def is_over(login: Login) -> bool:
    """Whether the API has said so in this tab."""
    over: _Over | None = st.session_state.get(_OVER)
    return st.session_state.get(_REFUSED) is login or (over is not None and over.login is login)


def begin_here(login: Login) -> None:
    """What is here is of this user alone."""
    who = login.user["user_id"]
    if st.session_state.get(_WHO, who) != who:
        _end(None)
    st.session_state.pop(_OVER, None)
    st.session_state[_WHO] = who


def end_here(login: Login) -> None:
    """The API takes it for over: show that, on a page with nothing else."""
    st.session_state[_REFUSED] = login
    st.rerun()


def show_signed_out(login: Login | None) -> None:
    """`login`: the one that the browser has still, though it is over."""
    _end(login)
    showing = partial(_show, login)
    # On the page that was open: fields of another are others, with nothing in them.
    pages = [st.Page(showing, title=_TITLE, url_path=path[1:]) for path in PATHS]
    st.navigation([st.Page(showing, title=_TITLE, default=True), *pages], position="hidden").run()


def _show(login: Login | None) -> None:
    over: _Over | None = st.session_state.get(_OVER)
    here = address()
    # Who has signed in meanwhile, in another tab, goes on; who has not is sent to the form.
    there = here if login is None else f"/signin?to={quote(here, safe='')}"
    st.title(_TITLE, anchor=False)
    # Streamlit's own links open another tab.
    st.html(f'<a href="{escape(there)}" style="color: inherit">Sign in</a>')
    if over is None:
        return
    if over.kept:
        st.caption("What you had typed is kept for an hour. Sign in, and it is here again.")
    if not over.is_told:
        # It stays on the page, with what is in it, until that is told.
        show_field(disabled=True)
        scripted("typed")(key=_FIELD, height=1, on_text_change=_keep_field)


def _end(login: Login | None) -> None:
    """Forget all that is of who was signed in, as who comes back may be somebody else; keep what is typed."""
    who: str | None = st.session_state.get(_WHO)
    if who is None:
        return
    tab = uuid4().hex
    kept = keep_typed(who, tab)
    st.session_state.clear()
    in_chat = urlsplit(address()).path == "/"
    st.session_state[_OVER] = _Over(who, tab, login, kept, is_told=not in_chat)


def _keep_field() -> None:
    over: _Over = st.session_state[_OVER]
    over.is_told = True
    over.kept |= keep_field(over.user_id, over.tab, st.session_state[_FIELD].text or "")
