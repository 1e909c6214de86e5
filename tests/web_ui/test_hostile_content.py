"""Nothing that a message, a title, a tool or a name says runs script or loads something from elsewhere."""

import re
import threading
from collections.abc import Generator
from typing import Final
from uuid import uuid4

import httpx2
import pytest
from playwright.sync_api import Request, Route, expect

from tests.model_server import ModelServer, call, say
from tests.servers import Person
from tests.web_ui.hostile import CORPUS, Canary, texts_with
from tests.web_ui.hostile_world import hostile_world
from tests.web_ui.running import running_own_api, running_page
from tests.web_ui.visiting import Visitor

ADD: Final = """
    (src) => new Promise((done) => {
        const picture = new Image()
        picture.onload = picture.onerror = done
        picture.src = src
    })
"""


# Of their own: the local user of the others would have all of this, too.
@pytest.fixture(scope="module")
def api(
    postgres_url: str, template: str, scripted: ModelServer, tmp_path_factory: pytest.TempPathFactory
) -> Generator[str]:
    with running_own_api(postgres_url, template, scripted.url, tmp_path_factory.mktemp("data")) as url:
        yield url


@pytest.fixture(scope="module")
def web(api: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with running_page(api, tmp_path_factory.mktemp("logins")) as url:
        yield url


@pytest.fixture
def canary() -> Generator[Canary]:
    with Canary() as canary:
        thread = threading.Thread(target=canary.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield canary
        canary.shutdown()
        thread.join()


def test_nothing_that_was_said_runs_or_loads(
    visitor: Visitor, model: ModelServer, api: str, canary: Canary
) -> None:
    name = CORPUS[0].replace("@", canary.url)
    with Person(api, "local").http as http:
        body = {"name": f"{name} <img src=x onerror=window.hacked=1>", "system_prompt": "Help."}
        assert http.post("/api/v1/agents", json=body).is_success
        # A message for each: an open fence in one would make text of all that is after it.
        here: dict[str, str] = {}
        answer = ""
        for entry in (each.replace("@", canary.url) for each in CORPUS):
            model.answers(*([] if here else [call("add_todo", title=name)]), say(entry))
            said = http.post("/api/local/chat", json={"message": entry, **here}).json()["data"]
            here, answer = {"conversation_id": said["conversation_id"]}, said["message_id"]
        what = {"rating": "down", "comment": f"{name} {CORPUS[2]} {CORPUS[3]}"}
        path = f"/api/v1/conversations/{here['conversation_id']}/messages/{answer}/feedback"
        assert http.put(path, json=what).is_success
        path = f"/api/v1/conversations/{here['conversation_id']}"
        assert http.patch(path, json={"title": f"{name} {CORPUS[2].replace('@', canary.url)}"}).is_success
    visitor.comes_in()
    visitor.page.goto(f"{visitor.web}/?c={here['conversation_id']}")
    answers = visitor.page.get_by_label("Chat message from assistant")
    expect(answers).to_have_count(len(CORPUS))
    answers.first.get_by_text("add_todo").click()
    expect(answers.first.get_by_text("Result")).to_be_visible()
    # Markdown is Markdown: a picture in a table is a link in a cell of one.
    expect(visitor.page.get_by_role("cell").get_by_role("link", name="cell")).to_have_count(2)
    _finds_links(visitor, canary)
    title = visitor.page.title()
    visitor.page.get_by_role("button", name="Say why").click()
    expect(visitor.page.get_by_label("What was good or bad about it")).to_have_value(re.compile("hacked"))
    visitor.page.keyboard.press("Escape")
    visitor.page.get_by_role("button", name="This conversation").click()
    expect(visitor.page.get_by_label("Name")).to_have_value(re.compile("onerror"))
    visitor.page.keyboard.press("Escape")
    assert "hacked" not in title
    visitor.page.get_by_label("Agent").first.click()
    expect(visitor.page.get_by_role("option").first).to_be_visible()
    _finds_nothing_done(visitor, canary)
    visitor.goes_to("agents", "Agents")
    visitor.page.get_by_role("button", name="a picture").click()
    expect(visitor.page.get_by_role("heading", name="a picture")).to_be_visible()
    _finds_nothing_done(visitor, canary)


def _finds_links(visitor: Visitor, canary: Canary) -> None:
    for words, count in (("a link", 4), ("marked", 2), ("escaped ticks", 2), ("in a list", 2)):
        expect(visitor.page.get_by_text(words, exact=True)).to_have_count(count)
    hrefs = visitor.page.locator("a").evaluate_all("all => all.map(each => each.href)")
    # The control: links are there, to where pictures would have been.
    assert f"{canary.url}/marks.png" in hrefs
    assert [href for href in hrefs if href.startswith("javascript:")] == []


def _finds_nothing_done(visitor: Visitor, canary: Canary) -> None:
    assert visitor.page.evaluate("window.hacked") is None
    assert visitor.page.locator("img").count() == visitor.page.locator("img[src^='data:']").count()
    # What is under way has been asked for before this, which comes back.
    visitor.page.evaluate(ADD, f"{visitor.web}/?{uuid4()}")
    assert canary.heard == []


def test_what_others_wrote_does_and_loads_nothing_and_stays_in_its_place_on_any_page(
    visitor: Visitor, api: str, canary: Canary
) -> None:
    page, did = visitor.page, list[str]()
    page.set_viewport_size({"width": 390, "height": 800})
    page.on("dialog", lambda dialog: did.append(dialog.message))

    def follow(request: Request) -> None:
        if not request.url.startswith((visitor.web, "data:", "blob:")):
            did.append(request.url)

    page.on("request", follow)

    def finds_nothing_done() -> None:
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        visitor.finds_it_tidy()
        _finds_nothing_done(visitor, canary)

    with hostile_world(api, "local", canary.url) as world:
        visitor.comes_in()
        page.goto(f"{visitor.web}/?c={world.conversation}")
        expect(page.get_by_label("Chat message from user")).to_have_count((len(texts_with("")) + 1) // 2)
        finds_nothing_done()
        visitor.goes_to("servers", "MCP servers")
        page.get_by_role("button", name="hostile").click()
        tools = page.get_by_test_id("stExpander").locator("summary")
        expect(tools).to_have_count(len(texts_with("")) + 1)
        tools.evaluate_all("all => all.forEach(each => each.click())")
        expect(page.get_by_text("It takes").last).to_be_visible()
        finds_nothing_done()
        page.goto(f"{visitor.web}/agents?a={world.agent}")
        expect(page.get_by_text("Only its owner can change it.")).to_be_visible()
        finds_nothing_done()
        for path, heading in (("todos", "Todos"), ("usage", "Usage")):
            visitor.goes_to(path, heading)
            finds_nothing_done()
    assert did == []


def test_the_policy_keeps_a_picture_out_and_without_it_the_canary_hears(
    visitor: Visitor, web: str, canary: Canary
) -> None:
    """The control: the same picture, put on the page by hand, with and without the policy."""
    visitor.comes_in()
    visitor.allowed.append("Content Security Policy")
    visitor.page.evaluate(ADD, f"{canary.url}/kept-out")
    assert canary.heard == []

    def without(route: Route) -> None:
        answer = httpx2.get(f"{web}/signin", trust_env=False)
        route.fulfill(status=200, body=answer.text, content_type="text/html")

    visitor.page.route("**/unguarded", without)
    visitor.page.goto(f"{web}/unguarded")
    visitor.page.evaluate(ADD, f"{canary.url}/let-in?{uuid4()}")
    assert canary.was_asked.wait(10)
