"""Turns that are hard to follow, and places that change under them, before the real API."""

import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Final

import httpx2
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.chat_api.replica import in_thread
from tests.model_server import Hold, ModelServer, stream
from tests.servers import Person
from tests.web_ui.line import Fault, Line, chat_over
from web_ui.live import show_live
from web_ui.turn import State, Turn

AWAY: Final = {"message": "The database is away.", "error": {"code": "database_unavailable"}}


@pytest.fixture
def page(pam: Person, api: str, line: Line, tmp_path: Path) -> Generator[AppTest]:
    with chat_over(line, api, tmp_path, pam.name) as page:
        yield page


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[Turn], object]]:
    """What is done at the first, second … time that a turn is followed, before it is."""
    todo: list[Callable[[Turn], object]] = []

    def following(turn: Turn, on_news: Callable[[State], None]) -> State:
        if todo:
            todo.pop(0)(turn)
        return show_live(turn, on_news)

    monkeypatch.setattr("web_ui.chat.show_live", following)
    monkeypatch.setattr("web_ui.turn._PAUSE", 0.01)
    return todo


def said(page: AppTest) -> list[str]:
    assert not page.exception
    return [str(each.value) for each in page.markdown]


def errors(page: AppTest) -> list[str]:
    return [str(each.value) for each in page.error]


def is_away(_: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(503, json=AWAY)


def is_busy(_: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(429, json=AWAY, headers={"Retry-After": "0"})


def is_empty(request: httpx2.Request, content: bytes = b"") -> httpx2.Response:
    return httpx2.Response(200, content=content, headers={"X-Run-ID": request.url.path.split("/")[-2]})


def is_parting(request: httpx2.Request) -> httpx2.Response:
    frame = b'data: {"type": "error", "code": "database_unavailable", "message": "Away."}'
    return is_empty(request, frame + b"\n\n")


def is_cut(_: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("cut")


def waits_for_its_end(turn: Turn) -> None:
    state = turn.wait(0, 10)
    while state.outcome is None:
        state = turn.wait(state.version, 10)


def breaks_off_at_its_end(turn: Turn) -> None:
    waits_for_its_end(turn)
    st.stop()


def test_a_turn_that_was_taken_is_followed_past_refusals(
    page: AppTest, pam: Person, line: Line, model: ModelServer, followed: list[Callable[[Turn], object]]
) -> None:
    here, hold = pam.say("One")["conversation_id"], Hold()
    model.answers(stream("To its ", hold, "end."))
    line.faults["GET", "/events"] = [is_away, is_busy, is_parting]
    followed.append(lambda _: hold.open())
    with in_thread(lambda: pam.post("Two", here)) as asking:
        hold.wait()
        page.query_params["c"] = here
        page.run()
        assert asking.result().is_success
    assert (said(page), errors(page)) == (["One", "Hello.", "Two", "To its end."], [])
    assert line.faults["GET", "/events"] == []


@pytest.mark.parametrize("fault", [is_away, is_empty])
def test_a_turn_that_is_lost_sight_of_is_followed_again_by_a_button(
    page: AppTest,
    pam: Person,
    line: Line,
    model: ModelServer,
    followed: list[Callable[[Turn], object]],
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
) -> None:
    monkeypatch.setattr("web_ui.turn._TRIES", 1)
    here, hold = pam.say("One")["conversation_id"], Hold()
    model.answers(stream("To its ", hold, "end."))
    line.faults["GET", "/events"] = [fault, fault]
    followed.append(waits_for_its_end)
    followed.append(lambda _: hold.open())
    with in_thread(lambda: pam.post("Two", here)) as asking:
        hold.wait()
        page.query_params["c"] = here
        page.run()
        assert (said(page), len(errors(page))) == (["One", "Hello.", "Two"], 1)
        page.button(key="again").click().run()
        assert asking.result().is_success
    assert (said(page)[-1], errors(page)) == ("To its end.", [])


def test_what_is_stopped_before_it_is_taken_is_not_sent_until_asked_for(
    page: AppTest, line: Line, followed: list[Callable[[Turn], object]]
) -> None:
    is_asked = threading.Event()

    def is_cut_and_noted(request: httpx2.Request) -> httpx2.Response:
        is_asked.set()
        return is_cut(request)

    def stops(turn: Turn) -> None:
        assert is_asked.wait(10)
        turn.cancel()

    line.faults["POST", "/chat"] = [is_cut_and_noted] * 1000
    followed.append(stops)
    page.run().chat_input[0].set_value("One").run()
    assert errors(page) == ["It was stopped before the server took it."]
    line.faults.clear()
    page.button(key="again").click().run()
    assert (said(page), errors(page)) == (["One", "Hello."], [])


def test_what_is_no_answer_of_ours_ends_the_wait_for_one(page: AppTest, line: Line) -> None:
    line.faults["POST", "/chat"] = [lambda _: httpx2.Response(200)]
    page.run().chat_input[0].set_value("One").run()
    assert errors(page) == ["The server's answer could not be read."]
    page.button(key="again").click().run()
    assert (said(page), errors(page)) == (["One", "Hello."], [])


def test_a_turn_that_ends_while_another_page_is_shown_is_there_afterwards(
    page: AppTest, followed: list[Callable[[Turn], object]]
) -> None:
    followed.append(breaks_off_at_its_end)
    page.run().chat_input[0].set_value("One").run()
    assert "c" not in page.query_params
    page.run()
    assert said(page) == ["One", "Hello."]
    assert "c" in page.query_params


def test_what_was_refused_in_one_conversation_is_not_shown_in_another(
    page: AppTest, pam: Person, line: Line
) -> None:
    other = pam.say("Elsewhere")["conversation_id"]
    page.run().chat_input[0].set_value("One").run()
    here = page.query_params["c"]
    line.faults["POST", "/chat"] = [is_away]
    page.chat_input[0].set_value("Two").run()
    assert (said(page), errors(page)) == (["One", "Hello.", "Two"], ["The database is away."])
    # As the browser's Back does.
    page.query_params["c"] = other
    page.run()
    assert (said(page), errors(page)) == (["Elsewhere", "Hello."], [])
    page.query_params["c"] = here
    assert said(page.run()) == ["One", "Hello."]


def test_an_answer_that_is_being_replaced_is_not_shown_to_who_comes_back(
    page: AppTest, pam: Person, model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def following(turn: Turn, on_news: Callable[[State], None]) -> State:
        def look(state: State) -> None:
            on_news(state)
            if state.is_another:
                st.stop()

        return show_live(turn, look)

    monkeypatch.setattr("web_ui.chat.show_live", following)
    first, hold = pam.say("One"), Hold()
    here = first["conversation_id"]
    model.answers(stream("Anew ", hold, "."))
    path = f"/api/v1/conversations/{here}/messages/{first['message_id']}/regenerate"
    with in_thread(lambda: pam.http.post(path, json={})) as asking:
        hold.wait()
        page.query_params["c"] = here
        page.run()
        shown = said(page)
        hold.open()
        assert asking.result().is_success
    assert [each for each in shown if each != "Anew"] == ["One"]
    assert said(page.run()) == ["One", "Anew ."]


@pytest.mark.parametrize("given", ["../../v1/me", "x"])
def test_an_address_that_names_no_conversation_asks_for_none(page: AppTest, line: Line, given: str) -> None:
    page.query_params["c"] = given
    page.run()
    assert [each.value for each in page.info] == ["There is no such conversation."]
    assert not [path for path in line.asked if given in path]


def test_what_is_said_while_the_page_cannot_be_drawn_is_sent_once_it_can(
    page: AppTest, pam: Person, line: Line
) -> None:
    here = page.query_params["c"] = pam.say("One")["conversation_id"]
    page.run()
    line.faults["GET", here] = [is_away]
    del page.session_state["agent_of"]
    page.chat_input[0].set_value("Two").run()
    assert errors(page) == ["The database is away."]
    assert said(page.run()) == ["One", "Hello.", "Two", "Hello."]
