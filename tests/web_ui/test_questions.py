"""Questions about calls, drawn by themselves."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, cast

import streamlit as st
from streamlit.testing.v1 import AppTest

from web_ui.cards import show_question
from web_ui.live import show_live
from web_ui.turn import Question, State, Turn

FIRST: Final = Question("a", 3, "add_todo", {"title": "Milk"}, "approval")
SECOND: Final = Question("b", 4, "add_todo", {"title": "Tea"}, "approval")


class Recorded:
    """A turn that asks one thing, then another, and is answered in between."""

    began = 0.0
    state: Final = State(run_id="r")

    def __init__(self) -> None:
        begun = self.state
        both, asked = {"a": FIRST, "b": SECOND}, (("a", 3), ("b", 4))
        self._states = iter(
            (
                replace(begun, version=1, questions={"a": FIRST}, asked=(("a", 3),)),
                replace(begun, version=2, questions=both, asked=asked),
                replace(begun, version=3, questions={"b": SECOND}, asked=asked),
                replace(begun, version=4, questions={"b": SECOND}, asked=asked, outcome="completed"),
            )
        )

    def wait(self, _seen: int, _timeout: float) -> State:
        return next(self._states)


def _ask() -> None:
    from tests.web_ui.test_questions import watch  # noqa: PLC0415

    watch()


def watch() -> None:
    show_live(cast("Turn", Recorded()), lambda _: None)


def test_two_open_questions_are_drawn_once_each() -> None:
    page = AppTest.from_function(_ask, default_timeout=30).run()
    assert not page.exception
    assert [button.key for button in page.button if button.label == "Approve"] == ["approve-r-4"]


class Waiting:
    """A turn that waits for a decision, and remembers it."""

    def __init__(self, run_id: str, arguments: dict[str, Any]) -> None:
        self.state: Final = State(run_id=run_id)
        self.question: Final = replace(FIRST, arguments=arguments)
        self.decided: Final[list[Mapping[str, Any]]] = []

    def decide(self, _question: Question, decision: Mapping[str, Any]) -> None:
        self.decided.append(decision)


def _ask_one() -> None:
    from tests.web_ui.test_questions import ask_one  # noqa: PLC0415

    ask_one()


def ask_one() -> None:
    waiting: Waiting = st.session_state.waiting
    show_question(cast("Turn", waiting), waiting.question)


def _approve(page: AppTest, waiting: Waiting) -> str:
    """What was shown."""
    page.session_state["waiting"] = waiting
    page.run()
    shown = page.text_area[0].value
    page.button[0].click().run()
    assert not page.exception
    return shown or ""


def test_a_question_of_another_conversation_has_its_own_arguments() -> None:
    milk, tea = Waiting("r", {"title": "Milk"}), Waiting("s", {"title": "Tea"})
    page = AppTest.from_function(_ask_one, default_timeout=30)
    assert "Milk" in _approve(page, milk)
    assert "Tea" in _approve(page, tea)
    assert milk.decided == tea.decided == [{"decision": "approve"}]


def test_arguments_of_any_length_are_approved_as_they_are() -> None:
    long = Waiting("r", {"title": "x" * 30_000})
    _approve(AppTest.from_function(_ask_one, default_timeout=30), long)
    assert long.decided == [{"decision": "approve"}]
