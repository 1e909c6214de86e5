"""Whom an agent is shared with."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import streamlit as st

from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.history import said_at
from web_ui.logins import Login
from web_ui.markdown import inline, safe
from web_ui.place import attempt, tell

__all__ = ["show_sharing"]

_RIGHTS: Final = {"use": "Chat with it", "read": "See and copy it"}
_LONGEST: Final = 320
_EVERYONE: Final = "everyone"
_FIELD: Final = "share-who"
_RIGHT: Final = "share-right"


def show_sharing(api: Api, login: Login, agent: Mapping[str, Any]) -> None:
    """Raises NotSignedIn."""
    path = f"/api/v1/agents/{agent['agent_id']}/shares"
    st.caption(
        "Who uses it does so with their own tools, files and providers. Their conversations are their own. "
        "Only you can change it."
    )
    try:
        shares = api.get(path)
    except NotSignedIn:
        raise
    except ApiError as error:
        st.error(safe(str(error)))
        return
    with st.form("share", border=False):
        st.text_input("Share with", key=_FIELD, max_chars=_LONGEST, placeholder="E-mail address or user id")
        st.radio("They may", list(_RIGHTS), format_func=_RIGHTS.__getitem__, key=_RIGHT, horizontal=True)
        refused = st.session_state.pop("share-refused", None)
        if refused:
            st.error(safe(refused))
        st.form_submit_button("Share", type="primary", on_click=_share, args=(api, path))
    if login.is_admin and shares["everyone"] is None:
        st.button(
            "Share with everybody, to use",
            key="share-all",
            icon=":material/groups:",
            on_click=_give,
            args=(api, path, _EVERYONE, "use"),
        )
    if shares["everyone"] is None and not shares["shares"]:
        st.caption("It is shared with nobody.")
    if shares["everyone"] is not None:
        _show(api, path, _EVERYONE, "**Everybody**", shares["everyone"])
    for share in shares["shares"]:
        name = inline(share["name"] or share["user_id"])
        _show(
            api,
            path,
            share["account_id"],
            f"**{name}**, since {inline(said_at(share['shared_at']))}",
            share["right"],
        )


def _show(api: Api, path: str, who: str, words: str, right: str) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(f"{words} · {_RIGHTS[right].lower()}")
        other = "read" if right == "use" else "use"
        with st.popover("Change", key=f"share-{who}", type="tertiary", icon=":material/more_horiz:"):
            st.button(
                f"Let them {_RIGHTS[other].lower()}",
                key=f"share-other-{who}",
                on_click=_give,
                args=(api, path, who, other),
            )
            st.button(
                "Share it with them no more",
                key=f"share-end-{who}",
                icon=":material/delete:",
                on_click=_take,
                args=(api, path, who),
            )


def _share(api: Api, path: str) -> None:
    """What was typed stays where it is refused."""
    who = st.session_state[_FIELD].strip()
    if not who:
        st.session_state["share-refused"] = "Say with whom: an e-mail address, or a user id."
        return
    try:
        _put(api, path, who, st.session_state[_RIGHT])
    except ApiError as error:
        st.session_state["share-refused"] = str(error)
        return
    st.session_state[_FIELD] = ""
    tell("It is shared.")


def _give(api: Api, path: str, who: str, right: str) -> None:
    attempt(lambda: _put(api, path, who, right), "It is shared.")


def _put(api: Api, path: str, who: str, right: str) -> None:
    api.put(f"{path}/{quote(who, safe='')}", {"right": right})


def _take(api: Api, path: str, who: str) -> None:
    attempt(lambda: api.delete(f"{path}/{quote(who, safe='')}"), "It is shared with them no more.")
