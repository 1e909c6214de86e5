"""The page of custom tools, drawn by itself before the real API."""

from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest
from streamlit.testing.v1 import AppTest

from tests.chat_api.registering import CUSTOM, REGISTER, fresh, tool
from tests.chat_api.replica import fresh_database, running_api
from tests.servers import Person
from tests.web_ui.showing import showing

PAGE: Final = """
from web_ui.tools.page import show_tools
show_tools(api, login)
"""


@pytest.fixture
def page(api: str, tmp_path: Path) -> Generator[AppTest]:
    """That of an admin."""
    with showing(api, tmp_path, "ada", PAGE, roles=["admin"]) as page:
        yield page


@pytest.fixture
def root(api: str) -> Generator[Person]:
    """Another admin, who leaves no custom tool behind."""
    with (person := Person(api, "root", roles=["admin"])).http:
        yield person
        for each in person.http.get(CUSTOM).json()["tools"]:
            assert person.http.delete(f"{CUSTOM}/{each['tool_id']}").is_success


def click(page: AppTest, key: str) -> None:
    page.button(key=key).click().run()
    assert not page.exception


def errors(page: AppTest) -> list[str]:
    return [each.value for each in page.error]


def test_what_cannot_be_a_tool_is_told_at_its_field_and_one_that_can_is_listed(
    page: AppTest, root: Person
) -> None:
    name = fresh()
    page.run()
    click(page, "new-tool")
    click(page, "save-tool")
    assert len(errors(page)) == 3
    page.text_input(key="tool-name").set_value(name)
    page.text_area(key="tool-description").set_value("Doubles a number.")
    page.text_area(key="tool-parameters").set_value('{"type": "object",\n}')
    page.text_area(key="tool-code").set_value(f"def {name}(x): return 2 * x")
    click(page, "save-tool")
    assert errors(page) == ["This is not JSON: look at line 2, column 1."]
    page.text_area(key="tool-parameters").set_value('{"type": "object", "properties": {"y": {}}}')
    click(page, "save-tool")
    assert errors(page) == ["The function takes `x`, and the properties are `y`."]
    page.text_area(key="tool-parameters").set_value('{"type": "object", "properties": {"x": {}}}')
    click(page, "save-tool")
    assert errors(page) == []
    [made] = root.http.get(CUSTOM).json()["tools"]
    assert (made["name"], made["parameters"]["required"]) == (name, ["x"])
    assert page.button(key=f"open-{made['tool_id']}").label == name.replace("_", r"\_")


def test_what_somebody_else_changed_meanwhile_is_told_of_and_nothing_typed_is_lost(
    page: AppTest, root: Person
) -> None:
    body = tool(fresh())
    tool_id = root.http.post(REGISTER, json=body).json()["tool_id"]
    page.run()
    click(page, f"open-{tool_id}")
    mine = f"def {body['name']}(param1): return 'mine'"
    page.text_area(key="tool-code").set_value(mine).run()
    theirs = {name: body[name] for name in ("parameters", "code")} | {"description": "Theirs"}
    path = f"{CUSTOM}/{tool_id}"
    assert root.http.put(path, json=theirs, headers={"If-Match": '"1"'}).is_success
    click(page, "save-tool")
    assert "is version 2 now. What you typed is still here. Save again to add" in errors(page)[0]
    assert (page.text_area(key="tool-code").value, page.text_area(key="tool-description").value) == (
        mine,
        "Theirs",
    )
    assert root.http.get(path).json()["code"] == body["code"]
    click(page, "save-tool")
    kept = root.http.get(path).json()
    assert (kept["version"], kept["code"], kept["description"]) == (3, mine, "Theirs")


def test_a_tool_is_disabled_restored_and_deleted_and_not_left_with_what_is_not_saved(
    page: AppTest, root: Person
) -> None:
    body = tool(fresh())
    tool_id = root.http.post(REGISTER, json=body).json()["tool_id"]
    path = f"{CUSTOM}/{tool_id}"
    page.run()
    click(page, f"open-{tool_id}")
    click(page, "enable")
    assert not root.http.get(path).json()["enabled"]
    page.text_area(key="tool-description").set_value("Other")
    click(page, "back")
    assert page.text_area(key="tool-description").value == "Other"
    click(page, "save-tool")
    page.session_state[f"versions-{tool_id}"] = True
    click(page, f"open-{tool_id}")
    page.selectbox(key="version").set_value(1).run()
    click(page, "restore")
    assert page.text_area(key="tool-description").value == body["description"]
    assert root.http.get(path).json()["version"] == 3
    click(page, "delete")
    assert root.http.get(path).status_code == 404
    assert page.button(key="new-tool")


def test_who_is_no_admin_reads_of_all_tools_and_why_they_stay(api: str, tmp_path: Path) -> None:
    with showing(api, tmp_path, "pia", PAGE) as page:
        page.run()
    assert "Only an admin" in page.info[0].value
    assert not page.button
    cards = [each.label for each in page.expander]
    assert {"calculator · only reads", "add\\_todo · may change things"} <= set(cards)
    assert "- **expression** (text): " in "".join(each.value for each in page.markdown)


def test_where_custom_tools_are_off_the_setting_is_named(
    postgres_url: str, template: str, tmp_path: Path
) -> None:
    with (
        fresh_database(postgres_url, template) as database,
        running_api(database, None, data_dir=tmp_path) as api,
        showing(api, tmp_path, "ada", PAGE, roles=["admin"]) as page,
    ):
        page.run()
    assert "CUSTOM_TOOLS=true" in page.info[0].value
    assert page.expander
