"""What was typed when a login ended is there again for who typed it, and for nobody else."""

from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import TextArea, TextInput

from tests.chat_api.accounts import Someone, someone
from tests.model_server import ModelServer
from web_ui.agents.one import show_new
from web_ui.api import Api, open_http
from web_ui.drafts import draft_of
from web_ui.logins import Login, Logins
from web_ui.servers.opened import KIND, open_server
from web_ui.servers.page import show_servers
from web_ui.serving import Serving, serve_with, serving
from web_ui.todos import show_todos

AGAIN: Final = "What you had typed is here again."
KEPT: Final = "What you had typed is kept for an hour. Sign in, and it is here again."
SCRIPT: Final = """
from tests.web_ui.test_signed_out import cookie
from web_ui.shell import show_page
show_page(cookie.get("login"))
"""
Show = Callable[[Api, Login], None]
cookie: Final[dict[str, Login]] = {}
"""Whose browser it is. Outside of the tab, as that forgets everything."""


@pytest.fixture
def ann(api: str, tmp_path: Path, model: ModelServer) -> Generator[Someone]:
    """Somebody with an account, who is signed in to the page."""
    with someone(api) as ann, open_http(api) as http:
        serve_with(Serving(http, Logins(http, tmp_path, None)))
        sign_in(ann)
        yield ann
        cookie.clear()


def sign_in(who: Someone) -> None:
    _, cookie["login"] = serving().logins.sign_in(who.email, who.password, "")


def signed_out(who: Someone, *, told: bool) -> None:
    """Everywhere, from elsewhere. `told`: the page has heard of it."""
    assert who.ask("logout-all").is_success
    if told:
        serving().logins.forget(cookie.pop("login"))
    else:
        # Its access token is not good any more.
        login = cookie["login"]
        login.tokens = replace(login.tokens, until=0)


def tab(conversation: str | None = None) -> AppTest:
    page = AppTest.from_string(SCRIPT, default_timeout=30)
    if conversation is not None:
        page.query_params["c"] = conversation
    return page


def show_new_agent(api: Api, _: Login) -> None:
    show_new(api)


def show_new_server(api: Api, login: Login) -> None:
    if draft_of(KIND) is None:
        open_server()
    show_servers(api, login)


def is_out(page: AppTest) -> bool:
    assert not page.exception
    return [each.value for each in page.title] == ["You are signed out"]


def in_field(page: AppTest) -> str:
    assert not page.exception
    return page.chat_input[0].proto.value


@pytest.mark.parametrize("told", [True, False])
def test_what_was_said_when_the_login_had_ended_is_in_the_field_of_who_said_it(
    ann: Someone, api: str, told: bool
) -> None:
    page = tab().run()
    page.chat_input[0].set_value("One").run()
    here = page.query_params["c"]
    signed_out(ann, told=told)
    page.chat_input[0].set_value("Two").run()
    assert is_out(page)
    assert KEPT in [each.value for each in page.caption]
    with someone(api) as kim:
        sign_in(kim)
        assert in_field(tab(here).run()) == ""
        # Also where it was the same tab.
        assert in_field(page.run()) == ""
    sign_in(ann)
    assert in_field(tab().run()) == ""
    back = tab(here).run()
    assert (in_field(back), [each.value for each in back.toast]) == ("Two", [AGAIN])
    assert in_field(tab(here).run()) == ""
    back.chat_input[0].set_value("Two").run()
    said = [each.value for each in back.markdown]
    assert said == ["One", "Hello.", "Two", "Hello."]


def test_what_was_to_be_said_instead_is_in_its_editor_again(ann: Someone) -> None:
    page = tab().run().chat_input[0].set_value("One").run()
    here = page.query_params["c"]
    [message, _] = ann.http.get(f"/api/v1/conversations/{here}/messages").json()["messages"]
    field = f"edit-{message['id']}"
    page.session_state[f"editor-{message['id']}"] = True
    page.run().text_area(key=field).set_value("Uno")
    # Also in another tab; each has its own.
    other = tab(here).run()
    signed_out(ann, told=False)
    page.button(key=f"send-{message['id']}").click().run()
    other.chat_input[0].set_value("Two").run()
    assert [is_out(page), is_out(other)] == [True, True]
    sign_in(ann)
    back = tab(here).run()
    assert (back.text_area(key=field).value, in_field(back)) == ("Uno", "")
    assert in_field(tab(here).run()) == "Two"
    back.button(key=f"send-{message['id']}").click().run()
    assert "Uno" in [each.value for each in back.markdown]


@pytest.mark.parametrize(
    ("path", "show", "field"),
    [
        ("/todos", show_todos, "Add a todo"),
        ("/agents", show_new_agent, "System prompt"),
        ("/servers", show_new_server, "Address"),
    ],
)
def test_what_is_in_a_form_is_there_again_on_its_page(
    ann: Someone, path: str, show: Show, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # AppTest knows pages in files alone.
    monkeypatch.setattr("web_ui.shell._show_chat", show)

    def opened(at: str) -> AppTest:
        page = tab()
        page.context["url"] = f"http://127.0.0.1{at}"
        return page.run()

    def the_field(page: AppTest) -> TextInput | TextArea:
        assert not page.exception
        return next(each for each in (*page.text_input, *page.text_area) if each.label == field)

    page = opened(path)
    the_field(page).set_value("What I want")
    signed_out(ann, told=True)
    sends = [button for button in page.button if button.form_id]
    assert is_out((sends[0].click() if sends else page).run())
    sign_in(ann)
    assert the_field(opened("/")).value == ""
    assert the_field(opened(path)).value == "What I want"
