"""What admins add for everybody's agents, in a browser."""

import time
from typing import Final

from playwright.sync_api import expect

from tests.chat_api.foreign import serving
from tests.chat_api.registering import CUSTOM, fresh
from tests.model_server import ModelServer, call, say
from tests.servers import Person
from tests.web_ui.visiting import PASSWORD, Visitor

ADMIN: Final = "admin-of-tools@example.com"
PATIENCE: Final = 20


def until_listed(admin: Person, name: str) -> None:
    """The tool server tells nobody what is new: it is asked until it knows."""
    deadline = time.monotonic() + PATIENCE
    while name not in admin.http.get("/api/v1/tools").text:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_an_admin_adds_a_tool_that_is_called_in_a_chat_and_a_server_whose_tools_are_shown(
    visitor: Visitor, model: ModelServer, api: str
) -> None:
    page, name = visitor.page, fresh()
    with (root := Person(api, "root", roles=["admin"])).http, serving() as foreign:
        account = {"email": ADMIN, "password": PASSWORD, "role": "admin"}
        assert root.http.post("/api/v1/users", json=account).is_success
        page.goto(f"{visitor.web}/tools")
        page.get_by_label("E-mail").fill(ADMIN)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()

        page.get_by_role("button", name="New tool").click()
        page.get_by_role("textbox", name="Name").fill(name)
        page.get_by_role("textbox", name="Description").fill("A price with value-added tax.")
        page.get_by_role("textbox", name="Arguments, as JSON Schema").fill(
            '{"type": "object", "properties": {"price": {"type": "number"}}}'
        )
        page.get_by_role("textbox", name="Code").fill(f"def {name}(price): return round(price * 1.19, 2)")
        visitor.finds_it_tidy()
        page.get_by_role("button", name="Add the tool").click()
        expect(page.get_by_role("button", name=name)).to_be_visible()

        page.get_by_role("link", name="MCP servers").click()
        page.get_by_role("button", name="Add a server").click()
        page.get_by_role("textbox", name="Name").fill("library")
        page.get_by_role("textbox", name="Address").fill(foreign.url)
        page.get_by_role("button", name="Add the server").click()
        expect(page.get_by_text("library__lend · may change things")).to_be_visible()
        expect(page.get_by_text("● Answers in")).to_be_visible()
        page.set_viewport_size({"width": 390, "height": 800})
        visitor.finds_it_tidy()
        page.set_viewport_size({"width": 1280, "height": 800})

        until_listed(root, name)
        model.answers(call(name, price=100), say("It is 119."))
        page.get_by_role("link", name="Chat").click()
        visitor.says("What is 100 with tax?")
        expect(visitor.answer).to_contain_text("It is 119.")
        expect(page.get_by_role("button", name="Regenerate")).to_be_visible()
        visitor.answer.get_by_text(name).click()
        expect(visitor.answer.get_by_text("119.0")).to_be_visible()
        [tool] = root.http.get(CUSTOM).json()["tools"]
        assert root.http.delete(f"{CUSTOM}/{tool['tool_id']}").is_success
