"""The logic of the page without a browser, before the real API."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from streamlit.testing.v1 import AppTest

from tests.model_server import Hold, ModelServer, call, say, stream
from tests.servers import Person, token_for
from web_ui.actions import show_actions
from web_ui.api import Api, open_http
from web_ui.live import show_live
from web_ui.logins import Login, Logins, Tokens
from web_ui.serving import Serving, serve_with
from web_ui.turn import Asked, State, Turn

FOREVER: Final = 4e9
SCRIPT: Final = """
import streamlit
from web_ui.shell import show_page
show_page(streamlit.session_state.login)
"""


@pytest.fixture
def page(api: str, tmp_path: Path, model: ModelServer) -> Generator[AppTest]:
    """The page of somebody who is signed in."""
    with open_http(api) as http:
        logins = Logins(http, tmp_path, lambda: Tokens(token_for("pat"), FOREVER, None, 60))
        serve_with(Serving(http, logins))
        _, login = logins.continue_as_local()
        yield page_of(login)


def page_of(login: Login | None) -> AppTest:
    page = AppTest.from_string(SCRIPT, default_timeout=30)
    page.session_state["login"] = login
    return page


def texts(page: AppTest) -> list[str]:
    return [str(each.value) for each in page.markdown]


def test_what_is_said_is_answered_and_can_be_read_again(page: AppTest, model: ModelServer) -> None:
    model.answers(call("calculator", expression="6*7"), stream("It is ![x](http://127.0.0.1:9/) **42**."))
    page.run()
    assert [title.value for title in page.title] == ["What can I do for you?"]
    page.chat_input[0].set_value("What is 6*7?").run()
    assert not page.exception
    assert "It is [x](http://127.0.0.1:9/) **42**." in texts(page)
    assert any(card.label.startswith("calculator · ") for card in page.expander)
    conversation = page.query_params["c"]
    page.run()
    assert page.query_params["c"] == conversation
    assert "What is 6*7?" in texts(page)


def test_an_agent_that_is_made_elsewhere_is_soon_in_the_selector_and_answers(
    page: AppTest, api: str, model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web_ui.choosing.AGENTS_SECONDS", 0)
    page.run()
    with Person(api, "pat").http as http:
        body = {"name": "Pirate", "system_prompt": "Talk like a pirate.", "temperature": 0.1}
        made = http.post("/api/v1/agents", json=body).json()
    page.run()
    agents = page.selectbox(key="agent")
    assert "Pirate" in agents.options
    agents.set_value(made["agent_id"]).run()
    page.chat_input[0].set_value("Hello").run()
    assert "Talk like a pirate." in str(model.requests[-1]["messages"][0])


def test_a_tab_that_opens_a_conversation_goes_on_with_its_agent(
    page: AppTest, api: str, model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Person(api, "pat").http as http:
        body = {"name": "Parrot", "system_prompt": "Repeat it."}
        agent_id = http.post("/api/v1/agents", json=body).json()["agent_id"]
        said = http.post("/api/pat/chat", json={"message": "Hello", "agent_id": agent_id}).json()["data"]
    page.query_params["c"] = said["conversation_id"]
    page.run()
    assert page.selectbox(key="agent").value == agent_id

    # The list is short, or was not told: the choice stands.
    def forgotten(*_: object, **__: object) -> list[dict[str, Any]]:
        return []

    monkeypatch.setattr("web_ui.choosing.remembered", forgotten)
    page.run()
    assert agent_id in page.selectbox(key="agent").options
    page.chat_input[0].set_value("Again").run()
    assert "Repeat it." in str(model.requests[-1]["messages"][0])
    # The control: a new chat is with the default assistant.
    fresh = page_of(page.session_state["login"]).run()
    assert fresh.selectbox(key="agent").value == "default"


def test_a_conversation_of_nobody_is_not_there(page: AppTest) -> None:
    page.query_params["c"] = "0197c0de-0000-7000-8000-000000000000"
    page.run()
    assert [each.value for each in page.info] == ["There is no such conversation."]
    page.query_params["c"] = "../runs"
    page.run()
    assert not page.exception


def test_a_turn_that_is_begun_elsewhere_is_seen_by_a_tab_that_had_one(
    page: AppTest, api: str, model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.run()
    page.chat_input[0].set_value("Hello").run()
    hold, followed = Hold(), list[Turn]()

    def following(turn: Turn, on_news: Callable[[State], None]) -> State:
        followed.append(turn)
        hold.open()
        return show_live(turn, on_news)

    monkeypatch.setattr("web_ui.chat.show_live", following)
    model.answers(stream("From elsewhere, ", hold, "to its end."))
    with Person(api, "pat").http as http, ThreadPoolExecutor(1) as pool:
        body = {"message": "And now?", "conversation_id": page.query_params["c"]}
        asking = pool.submit(http.post, "/api/pat/chat", json=body)
        hold.wait()
        page.run()
        if not followed:
            hold.open()
        assert asking.result().is_success
    assert not page.exception
    assert len(followed) == 1
    assert "From elsewhere, to its end." in texts(page)


def test_what_is_clicked_twice_is_asked_once(
    page: AppTest, model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.run()
    page.chat_input[0].set_value("Hello").run()

    def show_twice(
        api: Api, message: dict[str, Any], begin: Callable[[Asked], None], *, is_last: bool
    ) -> None:
        def click_twice(asked: Asked) -> None:
            begin(asked)
            begin(replace(asked, key=f"{asked.key}-2"))

        show_actions(api, message, click_twice, is_last=is_last)

    monkeypatch.setattr("web_ui.chat.show_actions", show_twice)
    page.run()
    before = len(model.requests)
    page.button(key="regenerate").click().run()
    assert not page.exception
    assert not page.error
    assert len(model.requests) - before == 1


def test_somebody_else_in_the_same_tab_sees_nothing_of_who_was_there_before(
    page: AppTest, api: str, tmp_path: Path
) -> None:
    page.run()
    page.chat_input[0].set_value("A secret").run()
    # The control: it is there for whose it is.
    assert "A secret" in texts(page)
    with open_http(api) as http:
        logins = Logins(http, tmp_path, lambda: Tokens(token_for("kim"), FOREVER, None, 60))
        _, page.session_state["login"] = logins.continue_as_local()
        page.run()
        assert not page.exception
        assert "A secret" not in texts(page)
        assert [each.value for each in page.info] == ["There is no such conversation."]


def test_a_conversation_that_is_deleted_elsewhere_is_shown_no_more(page: AppTest, api: str) -> None:
    page.run()
    page.chat_input[0].set_value("A secret").run()
    with Person(api, "pat").http as http:
        assert http.delete(f"/api/v1/conversations/{page.query_params['c']}").is_success
    page.run()
    assert "A secret" not in texts(page)


def test_who_is_not_signed_in_sees_nothing_else() -> None:
    page = page_of(None).run()
    assert [title.value for title in page.title] == ["You are signed out"]
    assert not page.chat_input


def test_a_server_that_is_away_is_told_of_and_what_was_said_is_kept(
    page: AppTest, api: str, model: ModelServer, tmp_path: Path
) -> None:
    model.script = lambda _: say("Here I am.")
    page.run()
    with open_http("http://127.0.0.1:9") as nobody:
        here, away = api, Serving(nobody, Logins(nobody, tmp_path, None))
        serve_with(away)
        page.run()
        assert not page.exception
        assert "does not answer" in page.error[0].value
    with open_http(here) as http:
        serve_with(Serving(http, Logins(http, tmp_path, None)))
        page.chat_input[0].set_value("Anybody?").run()
        assert "Here I am." in texts(page)
