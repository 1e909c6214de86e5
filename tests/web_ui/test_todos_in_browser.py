"""The page of todos in a browser, while a chat changes them."""

from playwright.sync_api import expect

from tests.model_server import ModelServer, call, say
from tests.servers import Person
from tests.web_ui.visiting import AT_ANY_WIDTH, Visitor


@AT_ANY_WIDTH
def test_the_page_and_the_chat_see_what_the_other_does(
    visitor: Visitor, model: ModelServer, api: str
) -> None:
    page = visitor.page
    visitor.comes_in()
    visitor.goes_to("todos", "Todos")
    line = page.get_by_role("textbox", name="Add a todo")
    line.fill("Call Ann, tomorrow at 9")
    line.press("Enter")
    expect(page.get_by_text("Due tomorrow at 09:00", exact=True)).to_be_visible()
    line.fill("Half a")
    with Person(api, "local").http as http:
        model.answers(call("add_todo", title="Buy milk", priority="high", tags=["shop"]), say("Noted."))
        assert http.post("/api/local/chat", json={"message": "Remind me of milk."}).is_success
        milk = page.get_by_role("checkbox", name="Buy milk")
        expect(milk).to_be_visible()
        expect(line).to_have_value("Half a")
        visitor.finds_it_tidy()
        page.get_by_text("Buy milk").first.click()
        expect(page.get_by_text("“Buy milk” is done.")).to_be_visible()
        expect(milk).to_have_count(0)
        model.answers(call("list_todos", status="done"), say("That is done."))
        said = http.post("/api/local/chat", json={"message": "What is done?"}).json()["data"]
    assert "Buy milk" in [todo["title"] for todo in said["tool_calls"][0]["result"]["todos"]]
    # While the list is drawn anew there may be two of one todo.
    edit = page.get_by_role("button", name="Edit Call Ann").first
    assert edit.evaluate("each => each.getBoundingClientRect().width") < 100
    edit.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Title").fill("Call Ann and Bob")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("checkbox", name="Call Ann and Bob")).to_be_visible()
