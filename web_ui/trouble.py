"""What went wrong with the last turn, and how to ask again."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import streamlit as st

from web_ui.actions import Begin
from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.choosing import chosen
from web_ui.markdown import safe
from web_ui.place import conversation
from web_ui.turn import Asked, Turn

__all__ = ["show_trouble"]

T = TypeVar("T")


def show_trouble(
    api: Api, turn: Turn | None, last: Mapping[str, Any] | None, begin: Begin, follow: Callable[[Turn], None]
) -> None:
    """Why the last message has no answer, and how to ask again. Raises NotSignedIn."""
    if turn is not None and turn.state.outcome == "refused":
        # Not taken: the same turn once more, which is one even if it was taken after all.
        st.error(safe(turn.state.error or "That did not work."))
        if turn.asked is not None:
            _again(begin, turn.asked)
    elif turn is not None and turn.state.outcome == "lost":
        st.error(safe(turn.state.error or "That did not work."))
        _again(follow, turn)
    elif last is not None and (last["role"] == "user" or last["status"] == "failed"):
        # The message is kept; another answer to it is asked for.
        st.error(safe(_why(api, turn, last)))
        path = f"/api/v1/conversations/{conversation()}/messages/{last['id']}/regenerate"
        gone = last["id"] if last["role"] == "assistant" else None
        _again(begin, Asked(path, chosen(), conversation(), instead_of=gone))


def _again(begin: Callable[[T], None], what: T) -> None:
    st.button("Try again", key="again", icon=":material/refresh:", on_click=begin, args=(what,))


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
