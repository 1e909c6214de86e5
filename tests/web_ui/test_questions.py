"""Questions about calls, and the form of an agent, drawn by themselves."""

from dataclasses import replace
from typing import Final, cast

from streamlit.testing.v1 import AppTest

from web_ui.live import show_live
from web_ui.turn import Question, State, Turn

FIRST: Final = Question("a", 3, "add_todo", {"title": "Milk"}, "approval")
SECOND: Final = Question("b", 4, "add_todo", {"title": "Tea"}, "approval")


class Recorded:
    """A turn that asks one thing, then another, and is answered in between."""

    began = 0.0

    def __init__(self) -> None:
        begun = State(run_id="r")
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
    assert [button.key for button in page.button if button.label == "Approve"] == ["approve-4"]
