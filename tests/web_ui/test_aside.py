"""Questions that take a while, asked beside the page."""

import threading
from typing import Final

import pytest
from streamlit.testing.v1 import AppTest

from web_ui.api import ApiError
from web_ui.aside import ask_aside, forget_aside, show_answers, when_answered

SHOW: Final = "from tests.web_ui.test_aside import show\nshow()"


class Asked:
    """What is asked, how often, and when it answers."""

    def __init__(self) -> None:
        self.times = 0
        self.may_answer = threading.Event()
        self.error: Exception | None = None

    def __call__(self) -> str:
        self.times += 1
        assert self.may_answer.wait(10)
        if self.error is not None:
            raise self.error
        return f"Answer {self.times}"


def show() -> None:
    import streamlit as st  # noqa: PLC0415

    def told() -> str:
        error = future.exception()
        return str(error) if isinstance(error, ApiError) else future.result()

    if st.session_state.again:
        forget_aside("it")
    future = ask_aside("it", st.session_state.ask)
    when_answered(future, lambda _: st.text(told()))
    if st.session_state.waits:
        show_answers()


@pytest.fixture
def ask() -> Asked:
    return Asked()


@pytest.fixture
def page(ask: Asked) -> AppTest:
    page = AppTest.from_string(SHOW, default_timeout=10)
    for name, value in (("ask", ask), ("again", False), ("waits", True)):
        page.session_state[name] = value
    return page


def test_a_fault_that_nobody_thought_of_is_told_of_and_ends_the_waiting(
    page: AppTest, ask: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[BaseException | None] = []
    logged = threading.Event()

    def hook(what: threading.ExceptHookArgs) -> None:
        seen.append(what.exc_value)
        logged.set()

    monkeypatch.setattr(threading, "excepthook", hook)
    ask.error = KeyError("title")
    ask.may_answer.set()
    page.run()
    assert not page.exception
    assert [each.value for each in page.text] == ["Something went wrong on this page. Ask again."]
    assert logged.wait(10)
    assert seen == [ask.error]


def test_a_question_that_waits_is_not_asked_once_more(page: AppTest, ask: Asked) -> None:
    page.session_state["waits"], page.session_state["again"] = False, True
    page.run()
    page.run()
    assert ask.times == 1
    page.session_state["waits"], page.session_state["again"] = True, False
    ask.may_answer.set()
    page.run()
    assert [each.value for each in page.text] == ["Answer 1"]
    page.session_state["again"] = True
    page.run()
    assert [each.value for each in page.text] == ["Answer 2"]
