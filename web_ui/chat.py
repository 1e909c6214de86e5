"""The chat: what was said, what is being said, and the place to say something."""

from http import HTTPStatus
from typing import Any, Final

import streamlit as st

from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.history import messages_of, show_message
from web_ui.live import show_live
from web_ui.logins import Login
from web_ui.markdown import safe
from web_ui.turn import Turn

__all__ = ["new_chat", "show_chat"]

_LONGEST_MESSAGE: Final = 100_000
_PLACE: Final = "c"
_SHOWN: Final = 100


def show_chat(api: Api, login: Login) -> None:
    """The conversation that the address names, or a new one. Raises NotSignedIn."""
    conversation_id = st.query_params.get(_PLACE)
    turn = _turn_of(api, conversation_id)
    live = turn is not None and turn.state.outcome is None
    # Pinned to the bottom of the page wherever it stands; first, so that nothing delays the turn.
    prompt = st.chat_input(
        "Message", key="say", max_chars=_LONGEST_MESSAGE, submit_mode="disable", disabled=live
    )
    if prompt and not live:
        turn = _begin(api, login, {"message": prompt}, conversation_id)
        live = True
    history = _history(api, conversation_id, cached=live)
    if not history and turn is None:
        st.title("What can I do for you?", anchor=False)
    for message in history:
        show_message(api, message)
    if turn is None:
        return
    if turn.message is not None and not _has_turn(history, turn):
        with st.chat_message("user"):
            st.markdown(safe(turn.message))
    if live:
        _go_on(turn)
    else:
        _show_trouble(api, login, turn)


def new_chat() -> None:
    """Leave the conversation; its turn goes on by itself."""
    st.query_params.clear()
    st.session_state.pop("turn", None)
    st.session_state.pop("history", None)
    st.session_state.pop("shown", None)


def _begin(
    api: Api, login: Login, body: dict[str, Any], conversation_id: str | None, key: str | None = None
) -> Turn:
    if conversation_id is not None:
        body = {**body, "conversation_id": conversation_id}
    turn = Turn(api, user_id=login.user["user_id"], body=body, key=key)
    st.session_state.turn = turn
    return turn


def _begin_again(
    api: Api, login: Login, body: dict[str, Any], conversation_id: str | None, key: str | None
) -> None:
    _begin(api, login, body, conversation_id, key)


def _turn_of(api: Api, conversation_id: str | None) -> Turn | None:
    """The turn that this tab looks at, or one that goes on in the conversation."""
    turn: Turn | None = st.session_state.get("turn")
    if turn is not None and turn.state.outcome != "left":
        place = turn.state.conversation_id
        if place == conversation_id or conversation_id is None:
            return turn
        st.session_state.pop("turn")
    if conversation_id is None:
        return None
    try:
        runs = api.get("/api/v1/runs", conversation_id=conversation_id, unfinished=True, limit=1)["runs"]
    except NotSignedIn:
        raise
    except ApiError:
        return None
    if not runs:
        return None
    st.session_state.turn = Turn(api, run_id=runs[0]["id"])
    return st.session_state.turn


def _history(api: Api, conversation_id: str | None, *, cached: bool) -> list[dict[str, Any]]:
    """What was said so far; while a turn goes on, what was read before it."""
    if conversation_id is None:
        return []
    place, messages, more = st.session_state.get("history", (None, [], False))
    if not cached or place != conversation_id:
        count = st.session_state.get("shown", _SHOWN) if place == conversation_id else _SHOWN
        try:
            messages, more = messages_of(api, conversation_id, count)
        except NotSignedIn:
            raise
        except ApiError as error:
            _say_why(error)
            return messages if place == conversation_id else []
        st.session_state.history = (conversation_id, messages, more)
    if more:
        st.button("Show earlier messages", key="earlier", disabled=cached, on_click=_show_earlier)
    return messages


def _show_earlier() -> None:
    st.session_state.shown = st.session_state.get("shown", _SHOWN) + _SHOWN


def _say_why(error: ApiError) -> None:
    if error.status in {HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY}:
        st.info("There is no such conversation.")
    else:
        st.error(str(error))


def _has_turn(history: list[dict[str, Any]], turn: Turn) -> bool:
    run_id = turn.state.run_id
    return run_id is not None and any(message["run_id"] == run_id for message in history)


def _go_on(turn: Turn) -> None:
    """Follow the turn; the address names its conversation as soon as there is one, for a reload."""
    state = show_live(turn, _name_in_address)
    if state.code == "unauthorized":
        raise NotSignedIn
    st.rerun()


def _name_in_address(conversation_id: str) -> None:
    if st.query_params.get(_PLACE) != conversation_id:
        st.query_params[_PLACE] = conversation_id


def _show_trouble(api: Api, login: Login, turn: Turn) -> None:
    """Why there is no answer, and how to ask again."""
    state = turn.state
    if state.outcome not in {"failed", "refused"}:
        return
    st.error(state.error or "That did not work.")
    if turn.message is None:
        return
    # Not taken: the same turn once more. Taken, but failed: the message is kept, and said again.
    key = turn.key if state.outcome == "refused" else None
    st.button(
        "Try again",
        key="again",
        icon=":material/refresh:",
        on_click=_begin_again,
        args=(api, login, turn.body, state.conversation_id, key),
    )
