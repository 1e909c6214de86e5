"""The page in a browser, over real processes."""

import re
from uuid import uuid4

from playwright.sync_api import expect

from tests.model_server import Hold, ModelServer, call, stream
from tests.web_ui.visiting import AT_BOTH_WIDTHS, PASSWORD, Visitor


@AT_BOTH_WIDTHS
def test_registering_signs_in_and_lasts_over_a_reload_until_signed_out(visitor: Visitor) -> None:
    page, email = visitor.page, f"amy-{uuid4().hex}@example.com"
    page.goto(visitor.web)
    page.get_by_role("link", name="Register").click()
    page.get_by_label("Name").fill("Ann <b>")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Register").click()
    expect(visitor.field).to_be_visible()
    page.reload()
    expect(visitor.field).to_be_visible()
    cookie = next(one for one in page.context.cookies() if one.get("name") == "turnlog_session")
    assert (cookie.get("httpOnly"), cookie.get("sameSite")) == (True, "Strict")
    assert page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})").find("ey") == -1
    with visitor.beside() as sidebar:
        sidebar.get_by_role("link", name="Sign out").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto(visitor.web)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(visitor.field).to_be_visible()


@AT_BOTH_WIDTHS
def test_an_answer_comes_piece_by_piece_with_its_tool_calls(visitor: Visitor, model: ModelServer) -> None:
    hold = Hold()
    model.answers(call("calculator", expression="6*7"), stream("It is ", "**42**", hold, ", of course."))
    visitor.comes_in()
    visitor.says("What is 6 * 7?")
    hold.wait()
    expect(visitor.answer).to_contain_text("It is 42")
    expect(visitor.answer.get_by_text("calculator")).to_be_visible()
    hold.open()
    expect(visitor.answer).to_contain_text("It is 42, of course.")
    expect(visitor.page.get_by_role("button", name="Stop")).to_have_count(0)
    visitor.answer.get_by_text("calculator").click()
    expect(visitor.answer.get_by_text("6*7")).to_be_visible()


@AT_BOTH_WIDTHS
def test_a_reload_in_mid_answer_goes_on_where_it_was(visitor: Visitor, model: ModelServer) -> None:
    hold = Hold()
    model.answers(stream("Half of ", hold, "it all."))
    visitor.comes_in()
    visitor.says("Tell me")
    expect(visitor.answer).to_contain_text("Half of")
    expect(visitor.page).to_have_url(re.compile(r"\?c=[0-9a-f-]{36}$"))
    visitor.page.reload()
    expect(visitor.answer).to_contain_text("Half of")
    expect(visitor.page.get_by_label("Chat message from user")).to_have_count(1)
    hold.open()
    expect(visitor.answer).to_contain_text("Half of it all.")
    expect(visitor.page.get_by_role("button", name="Stop")).to_have_count(0)
