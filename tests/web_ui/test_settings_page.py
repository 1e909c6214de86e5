"""The settings pages of providers and of other programs, in a browser."""

from collections.abc import Generator

import pytest
from playwright.sync_api import expect

from tests.model_server import ModelServer
from tests.servers import Person
from tests.web_ui.visiting import AT_ANY_WIDTH, Visitor


@pytest.fixture
def local(api: str) -> Generator[Person]:
    """Whose providers are gone afterwards: other tests ask the model as well."""
    person = Person(api, "local")
    with person.http as http:
        yield person
        for each in http.get("/api/v1/providers").json()["providers"]:
            assert http.delete(f"/api/v1/providers/{each['id']}").is_success


@AT_ANY_WIDTH
def test_a_provider_is_tried_out_added_and_answers_in_the_chat(
    visitor: Visitor, model: ModelServer, local: Person
) -> None:
    page = visitor.page
    visitor.comes_in()
    for name in ("Settings", "Providers"):
        with visitor.beside():
            visitor.follows("link", name)
    dead = page.locator(".st-key-provider-ollama")
    dead.get_by_role("button", name="Test connection").click()
    expect(dead.get_by_role("alert")).to_contain_text("Connection refused. Start Ollama with ollama serve")
    page.get_by_role("button", name="Add a provider").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Name").fill("work")
    dialog.get_by_role("textbox", name="Address").fill(model.url)
    dialog.get_by_role("textbox", name="API key").fill("the key")
    dialog.get_by_role("button", name="Test connection").click()
    expect(dialog.get_by_text("with 1 model: scripted.")).to_be_visible()
    visitor.finds_it_tidy()
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("work · answers")).to_be_visible()
    expect(dialog).to_have_count(0)
    visitor.finds_it_tidy()
    assert "the key" not in page.content()
    with visitor.beside():
        visitor.follows("link", "Chat")
    with visitor.beside() as sidebar:
        sidebar.get_by_text("Model", exact=True).click()
        sidebar.get_by_text("● work").click()
        expect(page.get_by_text("From now on work answers.")).to_be_visible()
    visitor.says("Hello")
    expect(visitor.answer).to_contain_text("Hello.")
    [run] = local.http.get("/api/v1/runs", params={"limit": 1}).json()["runs"]
    assert run["provider"] == "work"


@AT_ANY_WIDTH
def test_the_page_that_connects_other_programs_fits_any_width(visitor: Visitor) -> None:
    page = visitor.page
    visitor.comes_in()
    visitor.goes_to("connect", "Connect")
    page.get_by_role("button", name="Make a key for MCP clients").click()
    expect(page.get_by_text("Nobody can see it again")).to_be_visible()
    page.get_by_role("tab", name="Claude Code").click()
    expect(page.get_by_text("claude mcp add").first).to_be_visible()
    visitor.finds_it_tidy()
    page.locator("small").get_by_role("link", name="API keys").click()
    expect(page.get_by_role("heading", name="API keys")).to_be_visible()
