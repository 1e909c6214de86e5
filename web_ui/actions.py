"""What can be done with what was said: rate it, have it answered anew, say it otherwise."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import streamlit as st

from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.choosing import chosen
from web_ui.markdown import safe
from web_ui.place import conversation, tell
from web_ui.turn import Asked, Turn

__all__ = ["show_actions", "show_trouble"]

Begin = Callable[[Asked], None]
_RATINGS: Final = ("down", "up")
_LONGEST_MESSAGE: Final = 100_000


def show_actions(api: Api, message: Mapping[str, Any], begin: Begin, *, is_last: bool) -> None:
    """Under an answer: thumbs; under the last: others. Under a message: an editor."""
    if message["role"] == "user":
        _show_editor(message, begin)
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _show_thumbs(api, message)
        if is_last:
            st.button(
                "Regenerate",
                key="regenerate",
                icon=":material/refresh:",
                type="tertiary",
                on_click=_ask_again,
                args=(message, begin),
            )
            _show_siblings(message)


def _show_thumbs(api: Api, message: Mapping[str, Any]) -> None:
    rating = message["rating"]
    key = f"rate-{message['id']}"
    default = None if rating is None else _RATINGS.index(rating)
    st.feedback("thumbs", key=key, default=default, on_change=_rate, args=(api, message["id"], key))


def _rate(api: Api, message_id: str, key: str) -> None:
    path = f"/api/v1/conversations/{conversation()}/messages/{message_id}/feedback"
    value: int | None = st.session_state[key]
    try:
        if value is None:
            api.delete(path)
        else:
            api.put(path, {"rating": _RATINGS[value]})
    except ApiError as error:
        tell(str(error))


def _ask_again(message: Mapping[str, Any], begin: Begin) -> None:
    path = f"/api/v1/conversations/{conversation()}/messages/{message['id']}/regenerate"
    gone = message["id"] if message["role"] == "assistant" else None
    st.session_state.pop("leaf", None)
    begin(Asked(path, chosen(), conversation(), instead_of=gone))


def _show_siblings(message: Mapping[str, Any]) -> None:
    """The other answers to the same message."""
    siblings: list[str] = message["siblings"]
    if len(siblings) < 2:  # noqa: PLR2004
        return
    place = siblings.index(message["id"])
    for words, icon, there in (
        ("Answer before", ":material/chevron_left:", place - 1),
        ("Answer after", ":material/chevron_right:", place + 1),
    ):
        st.button(
            words,
            key=words,
            icon=icon,
            type="tertiary",
            disabled=not 0 <= there < len(siblings),
            on_click=_look_at,
            args=(siblings[there % len(siblings)],),
        )
    st.caption(f"{place + 1} of {len(siblings)}")


def _look_at(leaf: str) -> None:
    st.session_state.leaf = leaf


def _show_editor(message: Mapping[str, Any], begin: Begin) -> None:
    field = f"edit-{message['id']}"
    with st.popover("Edit", icon=":material/edit:", type="tertiary", key=f"editor-{message['id']}"):
        st.text_area("Say instead", message["content"], key=field, max_chars=_LONGEST_MESSAGE)
        st.button(
            "Send", key=f"send-{message['id']}", type="primary", on_click=_edit, args=(message, field, begin)
        )


def _edit(message: Mapping[str, Any], field: str, begin: Begin) -> None:
    text = st.session_state[field]
    if not text.strip():
        tell("There was nothing to send.")
        return
    path = f"/api/v1/conversations/{conversation()}/messages/{message['id']}/edit"
    st.session_state.pop("leaf", None)
    begin(Asked(path, {"message": text, **chosen()}, conversation(), instead_of=message["id"]))


def show_trouble(api: Api, turn: Turn | None, last: Mapping[str, Any] | None, begin: Begin) -> None:
    """Why the last message has no answer, and how to ask again. Raises NotSignedIn."""
    if turn is not None and turn.state.outcome == "refused":
        # Not taken: the same turn once more, which is one even if it was taken after all.
        st.error(safe(turn.state.error or "That did not work."))
        if turn.asked is not None:
            _again(begin, turn.asked)
    elif last is not None and (last["role"] == "user" or last["status"] == "failed"):
        # The message is kept; another answer to it is asked for.
        st.error(safe(_why(api, turn, last)))
        path = f"/api/v1/conversations/{conversation()}/messages/{last['id']}/regenerate"
        gone = last["id"] if last["role"] == "assistant" else None
        _again(begin, Asked(path, chosen(), conversation(), instead_of=gone))


def _again(begin: Begin, asked: Asked) -> None:
    st.button("Try again", key="again", icon=":material/refresh:", on_click=begin, args=(asked,))


def _why(api: Api, turn: Turn | None, last: Mapping[str, Any]) -> str:
    if turn is not None and turn.state.error:
        return turn.state.error
    try:
        run: dict[str, Any] = api.get(f"/api/v1/runs/{last['run_id']}") if last["run_id"] else {}
    except NotSignedIn:
        raise
    except ApiError:
        run = {}
    error: dict[str, str] = run.get("error") or {}
    return error.get("message", "There is no answer to this.")
