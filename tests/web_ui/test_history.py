"""What was said before, without a browser, before the real API."""

from collections.abc import Generator
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest
from streamlit.testing.v1 import AppTest

from tests.model_server import ModelServer, call, say
from tests.servers import Person
from tests.web_ui.showing import showing
from tests.web_ui.test_turns import SCRIPT, Line
from web_ui.serving import Serving, serve_with, serving


@pytest.fixture
def pam(api: str, model: ModelServer) -> Generator[Person]:
    person = Person(api, f"pam-{uuid4()}")
    with person.http:
        yield person


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def page(pam: Person, api: str, line: Line, tmp_path: Path) -> Generator[AppTest]:
    with (
        showing(api, tmp_path, pam.name, SCRIPT) as page,
        httpx2.Client(base_url=api, transport=line) as http,
    ):
        serve_with(Serving(http, serving().logins))
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
