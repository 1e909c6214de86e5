"""What is beside the chat, in a browser, also a narrow one, and by keyboard alone."""

import json
import os
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import expect

from tests.model_server import ModelServer, call, stream
from tests.servers import Person
from tests.web_ui.visiting import AT_ANY_WIDTH, AT_BOTH_WIDTHS, Visitor

SHOTS: Final = os.environ.get("SCREENSHOTS")
ANSWER: Final = (
    "Your list has **two** things on it now:\n\n| What | When |\n|---|---|\n| Buy milk | tomorrow |\n"
    "| Call Ann | Friday |\n\n```python\nfor todo in todos:\n    print(todo.title)\n```\n"
)


@pytest.fixture
def zebras(api: str, model: ModelServer) -> list[str]:
    """A conversation of more than the page shows, and than one page of the API has, beside another one."""
    said = [
        {"role": role, "content": f"{role} {number}"}
        for number in range(300)
        for role in ("user", "assistant")
    ]
    said[0]["content"] = "Something about zebras"
    with Person(api, "local").http as http:
        assert http.post("/api/local/chat", json={"message": "The first of them"}).is_success
        assert http.post("/api/v1/conversations/import", json={"messages": said}).json()["imported"]
    return [each["content"] for each in said]


@AT_ANY_WIDTH
def test_conversations_are_found_named_exported_and_deleted(
    visitor: Visitor, zebras: list[str], tmp_path: Path
) -> None:
    page = visitor.page
    visitor.comes_in()
    with visitor.beside():
        page.get_by_label("Search conversations").fill("zebra")
        page.get_by_label("Search conversations").press("Enter")
        expect(page.get_by_role("button", name="The first of them")).to_have_count(0)
        visitor.follows("button", "Something about zebras")
    expect(visitor.answer).to_contain_text("assistant 299")
    page.get_by_role("button", name="This conversation").click()
    # By the keyboard: the page may still be on its way to the newest message, and take the menu along.
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as JSON").press("Enter")
    download.value.save_as(tmp_path / "it.json")
    exported = json.loads((tmp_path / "it.json").read_text())
    assert [each["content"] for each in exported["messages"]] == zebras
    page.get_by_label("Name").fill("Zebras")
    page.get_by_label("Name").press("Enter")
    with visitor.beside():
        page.get_by_label("Search conversations").fill("")
        page.get_by_label("Search conversations").press("Enter")
        expect(page.get_by_role("button", name="Zebras")).to_be_visible()
    delete = page.get_by_role("button", name="Delete", exact=True)
    # On a phone the way to the sidebar has closed it.
    visitor.unfolds(page.get_by_role("button", name="This conversation"), delete)
    delete.press("Enter")
    expect(page.get_by_role("button", name="Delete it")).to_be_visible()
    # Who closes the menu has not said yes.
    page.keyboard.press("Escape")
    expect(page.get_by_label("Name")).to_have_count(0)
    visitor.unfolds(page.get_by_role("button", name="This conversation"), delete)
    delete.press("Enter")
    page.get_by_role("button", name="Delete it").press("Enter")
    expect(page.get_by_role("button", name="Zebras")).to_have_count(0)
    expect(page.get_by_role("heading", name="What can I do for you?")).to_be_visible()


@AT_ANY_WIDTH
def test_a_provider_shows_whether_it_answers_and_is_asked_by_the_next_turn(
    visitor: Visitor, model: ModelServer
) -> None:
    page = visitor.page
    visitor.comes_in()
    with visitor.beside() as sidebar:
        sidebar.get_by_text("Model", exact=True).click()
        expect(sidebar.get_by_text("Answers in")).to_be_visible()
        sidebar.get_by_text("● openai").click()
        expect(page.get_by_text("From now on openai answers.")).to_be_visible()
        sidebar.get_by_text("Own temperature and length").click()
        expect(sidebar.get_by_role("slider", name="Temperature")).to_be_visible()
    visitor.says("Hello")
    expect(visitor.answer).to_contain_text("Hello.")
    asked = model.requests[-1]
    assert (asked["temperature"], asked.get("max_tokens") or asked.get("max_completion_tokens")) == (
        0.7,
        2048,
    )


@AT_BOTH_WIDTHS
def test_keyboard_alone_can_chat_at_any_width(visitor: Visitor, model: ModelServer, width: int) -> None:
    page = visitor.page
    visitor.comes_in()
    model.answers(call("list_todos"), stream(ANSWER))
    for _ in range(40):
        if page.evaluate("document.activeElement.getAttribute('aria-label')") == "Message":
            break
        page.keyboard.press("Tab")
    page.keyboard.type("What is on my list?")
    page.keyboard.press("Enter")
    expect(visitor.answer).to_contain_text("Buy milk")
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    expect(visitor.field).to_be_enabled()
    visitor.finds_it_tidy()
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"web-{width}.png")
        page.emulate_media(color_scheme="dark")
        page.screenshot(path=Path(SHOTS) / f"web-{width}-dark.png")


@AT_ANY_WIDTH
def test_a_new_agent_is_chosen_at_once_and_can_be_changed(visitor: Visitor, model: ModelServer) -> None:
    page = visitor.page
    visitor.comes_in()
    with visitor.beside():
        page.get_by_role("button", name="New agent").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="Create").click()
        expect(dialog.get_by_text("An agent needs a name")).to_be_visible()
        dialog.get_by_label("Name").fill("Gardener")
        dialog.get_by_label("System prompt").fill("Talk about gardens.")
        dialog.get_by_role("button", name="Create").click()
        expect(page.get_by_text("There is a new agent.")).to_be_visible()
        expect(dialog).to_have_count(0)
        page.get_by_role("button", name="Change").click()
        dialog.get_by_label("System prompt").fill("Talk about gardens, in rhyme.")
        dialog.get_by_role("button", name="Save").click()
        expect(page.get_by_text("The agent is changed.")).to_be_visible()
    visitor.says("Hello")
    expect(visitor.answer).to_contain_text("Hello.")
    assert "in rhyme" in str(model.requests[-1]["messages"][0])
    assert (model.requests[-1]["temperature"], model.requests[-1].get("max_tokens")) == (0.7, 2048)
