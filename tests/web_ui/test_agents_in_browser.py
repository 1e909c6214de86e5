"""An agent in a browser: made, chatted with, changed, and what it was again."""

import os
import re
from pathlib import Path
from typing import Final
from uuid import uuid4

from playwright.sync_api import expect

from tests.model_server import ModelServer
from tests.web_ui.visiting import AT_ANY_WIDTH, Visitor

SHOTS: Final = os.environ.get("SCREENSHOTS")
TOOLS: Final = ("calculator", "current_time")


@AT_ANY_WIDTH
def test_an_agent_is_made_with_two_tools_chatted_with_changed_and_restored(
    visitor: Visitor, model: ModelServer
) -> None:
    page, name = visitor.page, f"Botanist {uuid4().hex[:8]}"
    visitor.comes_in()
    with visitor.beside():
        visitor.follows("link", "Agents")
    page.get_by_role("button", name="New agent").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("System prompt").fill("Talk about plants.\nBe brief.")
    page.get_by_text("Only those that I tick").click()
    for tool in TOOLS:
        page.get_by_text(tool, exact=True).click()
    expect(page.get_by_text(re.compile("2 of .* ticked"))).to_be_visible()
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    _is_tidy(visitor, "agent")

    page.get_by_role("button", name="Chat with it").click()
    expect(page.get_by_role("combobox", name="Agent")).to_have_value(name)
    visitor.says("Hello")
    expect(visitor.answer).to_contain_text("Hello.")
    [asked] = [each for each in model.requests if "Talk about plants." in str(each["messages"][0])]
    assert {each["function"]["name"] for each in asked["tools"]} == set(TOOLS)

    with visitor.beside():
        visitor.follows("link", "Agents")
    page.get_by_role("button", name=name).click()
    page.get_by_label("System prompt").fill("Talk about trees.\nBe brief.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The agent is changed.")).to_be_visible()
    page.get_by_role("tab", name="Versions").click()
    expect(page.get_by_text("+Talk about trees.")).to_be_visible()
    _is_tidy(visitor, "versions")
    page.get_by_role("button", name="Restore").click()
    page.get_by_role("button", name="Restore it").click()
    expect(page.get_by_text("Version 3", exact=True)).to_be_visible()
    page.get_by_role("tab", name="Settings").click()
    expect(page.get_by_label("System prompt")).to_have_value("Talk about plants.\nBe brief.")


def _is_tidy(visitor: Visitor, name: str) -> None:
    for width in (390, 1280):
        visitor.page.set_viewport_size({"width": width, "height": 800})
        visitor.finds_it_tidy()
        if SHOTS:
            visitor.page.screenshot(path=Path(SHOTS) / f"{name}-{width}.png")
