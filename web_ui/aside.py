"""Questions that take a while: asked in threads of their own, and answered on the page when they are."""

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, Final, TypeVar

import streamlit as st

from web_ui.api import ApiError

__all__ = ["ask_aside", "forget_answers", "forget_aside", "show_answers", "when_answered"]

_LOOK_SECONDS: Final = 0.2
_DUE: Final = "answers due"
_UNKNOWN: Final = "Something went wrong on this page. Ask again."
T = TypeVar("T")


def ask_aside(name: str, ask: Callable[[], T]) -> Future[T]:
    """What `ask` tells, or the ApiError that it raises; once in this tab for each name."""
    asked: dict[str, Future[T]] = st.session_state.setdefault("aside", {})
    if name not in asked:
        asked[name] = Future()
        threading.Thread(target=_answer, args=(asked[name], ask), daemon=True).start()
    return asked[name]


def _answer(future: Future[T], ask: Callable[[], T]) -> None:
    try:
        future.set_result(ask())
    except ApiError as error:
        future.set_exception(error)
    finally:
        # Whatever else went wrong is told of by the thread that it ends; the page would wait for ever.
        if not future.done():
            future.set_exception(ApiError(_UNKNOWN))


def forget_aside(beginning: str) -> None:
    """Ask anew what has a name that begins so, and was answered: one that waits is asked now, as it is."""
    asked: dict[str, Future[Any]] = st.session_state.get("aside", {})
    for name in [name for name, future in asked.items() if name.startswith(beginning) and future.done()]:
        del asked[name]


def when_answered(future: Future[T], show: Callable[[Future[T]], object]) -> None:
    """Let the answer be shown where it belongs, once the rest of the page is there."""
    st.session_state.setdefault(_DUE, {})[future] = show


def forget_answers() -> None:
    """A new drawing begins; one that was broken off may have left some."""
    st.session_state[_DUE] = {}


def show_answers() -> None:
    """Show each answer as soon as it is there.

    Streamlit breaks this off where something is clicked; the next drawing finds what was answered.
    """
    due: dict[Future[Any], Callable[[Future[Any]], object]] = st.session_state.get(_DUE, {})
    if not due:
        return
    heart = st.empty()
    while due:
        for future in wait(due, _LOOK_SECONDS, FIRST_COMPLETED).done:
            due.pop(future)(future)
        # Streamlit looks whether something was clicked where something is drawn.
        heart.empty()
