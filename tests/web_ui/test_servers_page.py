"""The page of other MCP servers, drawn by itself before the real API."""

from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest
from streamlit.testing.v1 import AppTest

from tests.chat_api.foreign import register, serving, sharing
from tests.servers import Person
from tests.web_ui.showing import showing

SERVERS: Final = "/api/v1/mcp-servers"
NOWHERE: Final = "http://127.0.0.1:9/mcp"
PAGE: Final = """
from web_ui.aside import show_answers
from web_ui.servers.page import show_servers
show_servers(api, login)
show_answers()
"""


@pytest.fixture
def page(api: str, root: Person, tmp_path: Path) -> Generator[AppTest]:
    """That of an admin."""
    with showing(api, tmp_path, root.name, PAGE, roles=["admin"]) as page:
        yield page


@pytest.fixture
def root(api: str) -> Generator[Person]:
    with (person := Person(api, "root-of-servers", roles=["admin"])).http:
        yield person
        for each in person.http.get(SERVERS).json()["servers"]:
            assert person.http.delete(f"{SERVERS}/{each['id']}").is_success


def click(page: AppTest, key: str) -> None:
    page.button(key=key).click().run()
    assert not page.exception


def errors(page: AppTest) -> list[str]:
    return [each.value for each in page.error]


def said(page: AppTest) -> str:
    return "\n".join(str(each.value) for each in page.markdown)


def test_a_server_is_added_asked_switched_off_and_deleted(page: AppTest, root: Person) -> None:
    page.run()
    with serving() as foreign:
        click(page, "new-server")
        page.text_input(key="server-name").set_value("library")
        page.text_input(key="server-url").set_value(foreign.url)
        page.selectbox(key="server-auth").set_value("bearer").run()
        click(page, "save-server")
        assert errors(page) == ["This way to sign in needs a secret."]
        page.text_input(key="server-secret").set_value("s3cret")
        page.checkbox(key="server-trusted").check()
        click(page, "save-server")
        assert not errors(page)
        assert ":green[●] Answers in " in said(page)
        cards = [each.label for each in page.expander]
        assert {"library\\_\\_search · only reads", "library\\_\\_lend · may change things"} <= set(cards)
        assert page.text_input(key="server-secret").value == ""
        # What the form of an agent offers.
        assert "library__lend" in root.http.get("/api/v1/tools").text
        click(page, "enable")
        assert ":gray[●] Switched off" in said(page)
        assert "library__lend" not in root.http.get("/api/v1/tools").text
    click(page, "delete")
    assert root.http.get(SERVERS).json()["servers"] == []
    assert page.info[0].value.startswith("There are no servers yet.")


def test_who_is_no_admin_adds_public_servers_and_reads_of_those_of_everybody(
    api: str, root: Person, tmp_path: Path
) -> None:
    with (
        sharing(root, NOWHERE, "everybodys") as shared,
        (visitor := Person(api, "vic")).http,
        showing(api, tmp_path, visitor.name, PAGE) as page,
    ):
        page.run()
        assert ":red[●] Does not work: The server cannot be reached at this address\\." in said(page)
        click(page, f"open-{shared}")
        assert "only an admin can change it" in page.info[0].value
        assert [each.key for each in page.button] == ["back"]
        click(page, "back")
        click(page, "new-server")
        assert "server-shared" not in [each.key for each in page.checkbox]
        page.text_input(key="server-name").set_value("A b")
        page.text_input(key="server-url").set_value(NOWHERE)
        click(page, "save-server")
        assert errors(page) == ["Use small letters, digits and -, beginning with a letter."]
        page.text_input(key="server-name").set_value("mine")
        click(page, "save-server")
        assert "Only a public address" in errors(page)[0]
        assert page.text_input(key="server-url").value == NOWHERE
        assert [each["name"] for each in visitor.http.get(SERVERS).json()["servers"]] == ["everybodys"]


def test_a_form_is_left_at_once_unless_something_was_typed_in_it(page: AppTest) -> None:
    page.run()
    click(page, "new-server")
    click(page, "back")
    assert page.button(key="new-server")
    click(page, "new-server")
    page.text_input(key="server-name").set_value("library")
    click(page, "back")
    assert page.text_input(key="server-name").value == "library"
    click(page, "throw-away")
    click(page, "new-server")
    assert page.text_input(key="server-name").value == ""


def test_what_somebody_else_changed_meanwhile_is_kept_beside_what_is_typed(
    page: AppTest, root: Person
) -> None:
    server_id = register(root, NOWHERE, "changing", enabled=False)
    page.run()
    click(page, f"open-{server_id}")
    page.number_input(key="server-timeout_seconds").set_value(7)
    path = f"{SERVERS}/{server_id}"
    assert root.http.patch(path, json={"trusted": True}).is_success
    click(page, "save-server")
    assert "Somebody else has changed the server meanwhile" in errors(page)[0]
    assert page.checkbox(key="server-trusted").value
    click(page, "save-server")
    kept = root.http.get(path).json()
    assert (kept["version"], kept["trusted"], kept["timeout_seconds"]) == (3, True, 7)
