"""An answer on the page while it comes."""

import time
from collections.abc import Callable
from typing import Any, Final

import streamlit as st

from web_ui.api import ApiError
from web_ui.cards import show_call, show_question
from web_ui.fallbacks import told_of
from web_ui.history import AVATARS
from web_ui.markdown import safe
from web_ui.turn import State, Turn

__all__ = ["show_live"]

_LOOK_SECONDS: Final = 0.2
_BETWEEN_SECONDS: Final = 0.03
_CHARACTERS_A_SECOND: Final = 200_000


def show_live(turn: Turn, on_news: Callable[[State], None]) -> State:
    """Show the answer as it comes, to its end; `on_news` is told what has come of it.

    Streamlit breaks it off where something is clicked.
    """
    view = _View(turn)
    state = State(version=-1)
    while state.outcome is None:
        newer = turn.wait(state.version, _LOOK_SECONDS)
        if newer.version > state.version:
            state = newer
            view.show(state)
            on_news(state)
            # Long answers are sent whole each time: more seldom, the longer they are.
            time.sleep(_BETWEEN_SECONDS + len(state.text) / _CHARACTERS_A_SECOND)
        view.tick()
    return state


class _View:
    def __init__(self, turn: Turn) -> None:
        self._turn: Final = turn
        self._shown = State()
        with st.chat_message("assistant", avatar=AVATARS["assistant"]):
            self._note: Final = st.empty()
            self._calls: Final = st.container()
            self._slots: Final[dict[str, Any]] = {}
            self._text: Final = st.empty()
            self._questions: Final = st.container()
            self._asked: Final[dict[tuple[str, int], Any]] = {}
            foot = st.container(horizontal=True, vertical_alignment="center")
            foot.button("Stop", key="stop", icon=":material/stop_circle:", on_click=_stop, args=(turn,))
            self._clock: Final = foot.empty()

    def show(self, state: State) -> None:
        if state.failed != self._shown.failed:
            self._note.caption(told_of(state.failed, state.answers))
        for step, call in state.calls.items():
            if self._shown.calls.get(step) != call:
                slot = self._slots.setdefault(step, self._calls.empty())
                with slot.container():
                    show_call(call)
        for step in self._shown.calls.keys() - state.calls.keys():
            self._slots.pop(step).empty()
        if state.text != self._shown.text:
            self._text.markdown(safe(state.text))
        if state.questions != self._shown.questions:
            self._show_questions(state)
        self._shown = state

    def _show_questions(self, state: State) -> None:
        """Each is drawn once, as its fields may be there once in a run of the page.

        Those that are decided keep a place, empty: what another run has drawn there would stay until the end.
        """
        still = {(each.step_id, each.seq): each for each in state.questions.values()}
        for key in state.asked:
            is_new = key not in self._asked
            slot = self._asked[key] if not is_new else self._asked.setdefault(key, self._questions.empty())
            if key not in still:
                slot.empty()
            elif is_new:
                with slot.container():
                    show_question(self._turn, still[key])

    def tick(self) -> None:
        """Tell that it goes on; also, Streamlit looks here whether something was clicked."""
        seconds = int(time.monotonic() - self._turn.began)
        doing = (
            "Waiting for you" if self._shown.questions else "Answering" if self._shown.text else "Thinking"
        )
        self._clock.caption(f"{doing} · {seconds} s")


def _stop(turn: Turn) -> None:
    try:
        turn.cancel()
    except ApiError as error:
        st.session_state.notice = str(error)
