"""What is done with what was said, without a browser, before the real API."""

import os
import re
import signal
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.chat_api.replica import fresh_database, in_thread, running_api
from tests.model_server import Hold, ModelServer, say, stream
from tests.programs import free_port, running
from tests.servers import SECRET, Person
from tests.web_ui.line import CHAT
from tests.web_ui.showing import showing
from web_ui.fallbacks import told_of
from web_ui.live import show_live
from web_ui.serving import serving
from web_ui.turn import State, Turn


@pytest.fixture
def page(pam: Person, api: str, tmp_path: Path) -> Generator[AppTest]:
    with showing(api, tmp_path, pam.name, CHAT) as page:
        yield page


def said(page: AppTest) -> list[str]:
    return [str(each.value) for each in page.markdown]


def counted(page: AppTest) -> list[str]:
    return [str(each.value) for each in page.caption if " of " in str(each.value)]


def test_all_that_was_said_instead_can_be_gone_to_and_on_from(
    page: AppTest, pam: Person, model: ModelServer
) -> None:
    model.answers(*map(say, ("A1", "A2", "B1", "A1 again", "C1")))
    page.run().chat_input[0].set_value("One").run().chat_input[0].set_value("Two").run()
    asked, _, _, last = pam.messages(page.query_params["c"])
    # An editor is drawn once it is open.
    page.session_state[f"editor-{asked['id']}"] = True
    page.run().text_area(key=f"edit-{asked['id']}").set_value("Uno")
    page.button(key=f"send-{asked['id']}").click().run()
    assert (said(page), counted(page)) == (["Uno", "B1"], ["2 of 2"])
    edited = pam.messages(page.query_params["c"])[4]
    # Its newest end, not only the message.
    page.button(key=f"Before-{edited['id']}").click().run()
    assert said(page) == ["One", "A1", "Two", "A2"]
    page.button(key="regenerate").click().run()
    assert (said(page)[-1], counted(page)) == ("A1 again", ["1 of 2", "2 of 2"])
    again = pam.messages(page.query_params["c"])[6]
    page.button(key=f"Before-{again['id']}").click().run()
    assert said(page) == ["One", "A1", "Two", "A2"]
    assert page.button(key=f"Before-{last['id']}").disabled
    page.chat_input[0].set_value("Three").run()
    assert said(page) == ["One", "A1", "Two", "A2", "Three", "C1"]
    assert not page.exception
    told = [message["content"] for message in model.requests[-1]["messages"][1:]]
    assert told == ["One", "A1", "Two", "A2", "Three"]


def test_a_branch_that_is_deleted_elsewhere_gives_way_to_the_newest(
    page: AppTest, pam: Person, model: ModelServer
) -> None:
    model.answers(say("First."), say("Second."))
    page.run().chat_input[0].set_value("One").run().button(key="regenerate").click().run()
    path = f"/api/v1/conversations/{page.query_params['c']}/messages"
    [_, first, second] = (each["id"] for each in pam.http.get(path).json()["messages"])
    page.button(key=f"Before-{second}").click().run()
    assert said(page) == ["One", "First."]
    assert pam.http.delete(f"{path}/{first}").is_success
    page.run()
    assert said(page) == ["One", "Second."]


def test_an_answer_is_rated_with_words_that_last(page: AppTest, pam: Person) -> None:
    page.run().chat_input[0].set_value("One").run()
    [_, answer] = pam.messages(page.query_params["c"])
    why = f"why-{answer['id']}"
    page.feedback(key=f"rate-{answer['id']}").set_value(0).run()
    page.text_area(key=why).set_value("Not true: <img src=x onerror=alert(1)>")
    page.button(key=f"keep-{why}").click().run()
    page.feedback(key=f"rate-{answer['id']}").set_value(1).run()
    [_, rated] = pam.messages(page.query_params["c"])
    assert (rated["rating"], rated["comment"]) == ("up", "Not true: <img src=x onerror=alert(1)>")
    page.feedback(key=f"rate-{answer['id']}").set_value(None).run()
    [_, rated] = pam.messages(page.query_params["c"])
    assert (rated["rating"], rated["comment"]) == (None, None)


def test_a_conversation_goes_to_the_archive_and_comes_back(page: AppTest, pam: Person) -> None:
    page.run().chat_input[0].set_value("Old things").run()
    here = page.query_params["c"]
    page.session_state[f"menu-{here}"] = True
    page.run().button(key="archive").click().run()
    assert f"open-{here}" not in {button.key for button in page.button}
    page.toggle(key="archived").set_value(True).run()
    assert page.button(key=f"open-{here}").label == "Old things"
    page.session_state[f"menu-{here}"] = True
    page.run()
    assert page.button(key="archive").label == "Take out of the archive"
    page.button(key="archive").click().run()
    page.toggle(key="archived").set_value(False).run()
    assert page.button(key=f"open-{here}").label == "Old things"


def test_what_is_said_while_another_tab_has_a_turn_is_kept(
    page: AppTest, pam: Person, model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.run().chat_input[0].set_value("One").run()
    hold = Hold()

    def following(turn: Turn, on_news: Callable[[State], None]) -> State:
        if turn.asked is None:
            hold.open()
        return show_live(turn, on_news)

    monkeypatch.setattr("web_ui.chat.show_live", following)
    model.answers(stream("From the ", hold, "other tab."), say("Mine."))
    body = {"message": "Two", "conversation_id": page.query_params["c"]}
    with in_thread(lambda: pam.http.post(f"/api/{pam.name}/chat", json=body)) as asking:
        hold.wait()
        page.chat_input[0].set_value("Three").run()
        assert asking.result().is_success
    assert said(page) == ["One", "Hello.", "Two", "From the other tab.", "Three"]
    page.button(key="again").click().run()
    assert said(page)[-2:] == ["Three", "Mine."]
    assert not page.error


def test_who_answers_instead_is_told_then_and_later(page: AppTest) -> None:
    page.session_state["options"] = {"provider": "gone"}
    page.run().chat_input[0].set_value("Hello").run()
    told = "gone did not answer; openai answers instead."
    assert told in [each.value for each in page.caption]
    # As a tab that is loaded anew has it.
    del page.session_state["fallbacks"]
    page.run()
    assert told in [each.value for each in page.caption]
    assert told_of(["![x](//y)"], "<b>") == "\\!\\[x\\]\\(//y\\) did not answer; \\<b\\> answers instead."


def test_too_many_turns_are_told_of_with_the_seconds_to_wait(
    postgres_url: str, template: str, scripted: ModelServer, tmp_path: Path
) -> None:
    with (
        fresh_database(postgres_url, template) as database,
        running_api(database, scripted.url, rate_limit_enabled=True, rate_limit_chat="1/minute") as api,
        showing(api, tmp_path, "pim", CHAT) as page,
    ):
        page.run().chat_input[0].set_value("One").run().chat_input[0].set_value("Two").run()
        assert said(page)[-1] == "Two"
        assert re.fullmatch(r"That was too often; try again in \d+ s\.", page.error[0].value)
        assert page.button(key="again").label == "Try again"


@pytest.mark.skipif("PAGE_KILLS" not in os.environ, reason="it takes half a minute")
def test_a_turn_whose_server_is_killed_goes_on_at_another(
    postgres_url: str,
    template: str,
    model: ModelServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port, hold = free_port(), Hold()
    url, seen = f"http://127.0.0.1:{port}", list[str]()
    model.answers(stream("Half of ", hold, "it."), stream("All ", "of it."))
    with fresh_database(postgres_url, template) as database, ExitStack() as stack:
        own = {
            "api_port": port,
            "database_url": database,
            "jwt_secret_key": SECRET,
            "default_provider": "openai",
            "openai_base_url": model.url,
            "openai_api_key": "none",
        }

        first = stack.enter_context(running(f"{url}/health/ready", "turnlog", "serve", **own))
        other = stack.enter_context(running_api(database, model.url))

        def following(turn: Turn, on_news: Callable[[State], None]) -> State:
            if not seen:
                state = turn.wait(0, 10)
                while "Half of" not in state.text:
                    state = turn.wait(state.version, 10)
                seen.append(state.text)
                first.stop(signal.SIGKILL)
                serving().http.base_url = other
                hold.open()
            return show_live(turn, on_news)

        monkeypatch.setattr("web_ui.chat.show_live", following)
        page = stack.enter_context(showing(url, tmp_path, "pip", CHAT))
        page.run().chat_input[0].set_value("Tell me").run(timeout=60)
        assert not page.exception
        assert seen == ["Half of "]
        assert said(page) == ["Tell me", "All of it."]
        assert not page.error
