"""What was said before, without a browser, before the real API."""

from collections.abc import Generator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Html

from tests.model_server import ModelServer, call, say
from tests.servers import Person
from tests.web_ui.line import Line, chat_over


@pytest.fixture
def page(pam: Person, api: str, line: Line, tmp_path: Path) -> Generator[AppTest]:
    with chat_over(line, api, tmp_path, pam.name) as page:
        yield page


def test_how_long_a_call_took_is_asked_for_once_its_card_is_opened(
    page: AppTest, pam: Person, line: Line, model: ModelServer
) -> None:
    sums = [call("calculator", expression="6*7"), say("42.")]
    model.answers(*sums, *sums)
    here = page.query_params["c"] = pam.say("One")["conversation_id"]
    pam.say("Two", here)
    page.run()
    assert [card.label for card in page.main.expander] == ["calculator", "calculator"]
    assert not [path for path in line.asked if path.endswith("/steps")]
    last = pam.messages(here)[-1]
    page.session_state[f"call-{last['id']}-0"] = True
    page.run()
    assert not page.exception
    assert [each.value.startswith("Took ") for each in page.main.expander[-1].caption[:1]] == [True]
    page.run()
    assert [path.split("/")[-2] for path in line.asked if path.endswith("/steps")] == [last["run_id"]]


def test_a_conversation_with_nothing_in_it_can_be_named_exported_and_deleted(
    page: AppTest, pam: Person
) -> None:
    said = pam.say("One")
    here = page.query_params["c"] = said["conversation_id"]
    for message in pam.messages(here):
        assert pam.http.delete(f"/api/v1/conversations/{here}/messages/{message['id']}").is_success
    page.session_state[f"menu-{here}"] = True
    page.run()
    page.text_input(key=f"name-{here}-None").set_value("Empty by now").run()
    assert pam.http.get(f"/api/v1/conversations/{here}").json()["title"] == "Empty by now"
    links = "".join(each.body for each in page.get("html") if isinstance(each, Html))
    assert f"/conversations/{here}/export?format=markdown&amp;leaf=all" in links
    page.button(key="ask-delete").click().run()
    page.button(key="delete").click().run()
    assert not page.exception
    assert pam.http.get(f"/api/v1/conversations/{here}").status_code == 404
