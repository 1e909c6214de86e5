"""Turns that are stopped, asked about, refused or fail, in a browser."""

import re

from playwright.sync_api import expect

from tests.model_server import Hold, ModelServer, calls, say, stream
from tests.servers import Person
from tests.web_ui.visiting import AT_ANY_WIDTH, Visitor


@AT_ANY_WIDTH
def test_a_call_waits_for_its_user_who_may_change_its_arguments(
    visitor: Visitor, model: ModelServer, api: str
) -> None:
    body = {"name": "Careful", "system_prompt": "Help.", "approvals": {"tools": ["add_todo"]}}
    with Person(api, "local").http as http:
        assert http.post("/api/v1/agents", json=body).is_success
    wanted = [("add_todo", {"title": "Milk"}), ("add_todo", {"title": "Tea"})]
    model.answers(calls(*wanted), say("It is on the list."))
    visitor.comes_in()
    with visitor.beside() as sidebar:
        careful = visitor.page.get_by_role("option", name="Careful").first
        visitor.unfolds(sidebar.get_by_label("Agent", exact=False).first, careful)
        careful.click()
    visitor.says("Remind me of milk")
    expect(visitor.page.get_by_text("The assistant wants to call add_todo")).to_have_count(2)
    visitor.page.get_by_label("Arguments, as JSON").first.fill('{"title": "Oat milk"}')
    visitor.page.get_by_role("button", name="Approve").first.click()
    expect(visitor.page.get_by_label("Arguments, as JSON")).to_have_count(1)
    visitor.page.get_by_role("button", name="Reject").press("Enter")
    expect(visitor.answer).to_contain_text("It is on the list.")
    [milk, tea] = (each["content"] for each in model.requests[-1]["messages"][-2:])
    assert ("Oat milk" in milk, "Tea" in tea) == (True, False)


@AT_ANY_WIDTH
def test_stop_ends_the_turn_and_keeps_what_was_said(visitor: Visitor, model: ModelServer) -> None:
    hold = Hold()
    model.answers(stream("Half of ", hold))
    visitor.comes_in()
    visitor.says("Tell me")
    expect(visitor.answer).to_contain_text("Half of")
    visitor.page.get_by_role("button", name="Stop").click()
    expect(visitor.answer).to_contain_text(re.compile("Half of.*stopped", re.DOTALL))
    hold.open()
    expect(visitor.field).to_be_enabled()


@AT_ANY_WIDTH
def test_a_failed_turn_is_told_of_and_answered_anew_without_being_said_again(
    visitor: Visitor, model: ModelServer
) -> None:
    model.answers(stream("Not all of", then="error"), say("Another answer."), say("A third one."))
    visitor.comes_in()
    visitor.says("Tell me")
    alert = visitor.page.get_by_role("alert")
    expect(alert).to_be_visible()
    visitor.page.reload()
    expect(alert).to_be_visible()
    visitor.page.get_by_role("button", name="Try again").click()
    expect(visitor.answer).to_contain_text("Another answer.")
    expect(alert).to_have_count(0)
    visitor.page.get_by_role("button", name="Regenerate").click()
    expect(visitor.answer).to_contain_text("A third one.")
    expect(visitor.page.get_by_label("Chat message from user")).to_have_count(1)
    visitor.page.get_by_role("button", name="Before").click()
    expect(visitor.answer).to_contain_text("Another answer.")
