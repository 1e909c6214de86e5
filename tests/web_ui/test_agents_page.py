"""The page of agents without a browser, before the real API."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.servers import Person
from tests.web_ui.showing import showing
from web_ui.agents.boxes import show_tools
from web_ui.agents.draft import FRESH, draft_of

SHOW: Final = "from web_ui.agents.show import show_agents_page\nshow_agents_page(api, login)"
IMPORT: Final = """
from web_ui.agents.importing import import_agents
if "a" not in st.query_params:
    import_agents(api)
"""
BODY: Final[dict[str, Any]] = {
    "name": "Plain",
    "description": "For tests",
    "system_prompt": "Help.\nBe brief.",
    "temperature": 0.33,
    "max_tokens": None,
    "tools": ["current_time", "calculator"],
    "approvals": {"tools": ["calculator"], "not_read_only": True},
    "streaming": False,
    "metadata": {"team": "garden", "n": 1.5},
}


class Visit:
    """The page of somebody who is signed in, and what the API says to them."""

    def __init__(self, page: AppTest, http: httpx2.Client) -> None:
        self.page = page
        self.http = http

    def made(self, **body: Any) -> dict[str, Any]:
        answer = self.http.post("/api/v1/agents", json={**BODY, **body})
        assert answer.is_success
        return answer.json()

    def now(self, agent: dict[str, Any]) -> dict[str, Any]:
        return self.http.get(f"/api/v1/agents/{agent['agent_id']}").json()

    def opens(self, agent_id: str, tab: str = "Settings") -> None:
        self.page.query_params["a"] = agent_id
        self.page.session_state[f"agent-tabs-{agent_id}"] = tab
        self.runs()

    def runs(self) -> None:
        self.page.run()
        assert not self.page.exception

    def types(self, label: str, text: str) -> None:
        fields = [*self.page.text_input, *self.page.text_area]
        next(each for each in fields if each.label == label).set_value(text)

    def clicks(self, label: str) -> None:
        next(each for each in self.page.button if each.label == label).click()
        self.runs()

    @property
    def said(self) -> str:
        page = self.page
        return "\n".join(str(each.value) for each in [*page.markdown, *page.code, *page.caption, *page.error])


@pytest.fixture
def visit(api: str, tmp_path: Path) -> Generator[Visit]:
    with showing(api, tmp_path, "ada", SHOW) as page, Person(api, "ada").http as own:
        yield Visit(page, own)


def test_a_new_agent_has_the_tools_that_were_ticked_and_nothing_typed_is_lost_before(visit: Visit) -> None:
    visit.opens("new")
    visit.types("System prompt", "Count.")
    visit.page.radio[0].set_value("Only those that I tick")
    visit.clicks("Create")
    assert "An agent needs a name" in visit.said
    visit.types("Name", "Counter")
    for each in visit.page.checkbox:
        if each.label in {"calculator", r"current\_time"}:
            each.check()
    visit.runs()
    visit.clicks("Create")
    assert [each.value for each in visit.page.title] == ["Counter"]
    [made] = visit.http.get("/api/v1/agents", params={"search": "Counter"}).json()["agents"]
    assert (made["system_prompt"], made["tools"]) == ("Count.", ["calculator", "current_time"])
    assert (made["temperature"], made["max_tokens"]) == (0.7, 2048)


def test_a_change_leaves_alone_what_was_not_changed_also_a_model_that_is_not_there(visit: Visit) -> None:
    agent = visit.made(provider="gone", model_id="m")
    visit.opens(agent["agent_id"])
    assert "m (gone) · not there now" in visit.page.selectbox[0].options
    visit.clicks("Save")
    assert visit.now(agent) == agent
    visit.types("Name", "Plainer")
    visit.clicks("Save")
    expected = {**agent, "name": "Plainer", "version": 2}
    assert {**visit.now(agent), "updated_at": agent["updated_at"]} == expected


def test_what_somebody_else_changed_meanwhile_is_shown_and_either_counts(visit: Visit) -> None:
    agent = visit.made()
    path = f"/api/v1/agents/{agent['agent_id']}"
    visit.opens(agent["agent_id"])
    visit.types("Name", "Mine")
    visit.runs()
    visit.http.patch(path, json={"name": "Theirs", "system_prompt": "Help.\nBe long."})
    visit.clicks("Save")
    assert "+Be long." in visit.said
    assert visit.now(agent)["name"] == "Theirs"
    visit.clicks("Save mine over it")
    kept = visit.now(agent)
    assert (kept["name"], kept["system_prompt"], kept["version"]) == ("Mine", "Help.\nBe long.", 3)
    visit.types("Name", "Mine again")
    visit.runs()
    visit.http.patch(path, json={"name": "Theirs again"})
    visit.clicks("Save")
    visit.clicks("Take theirs")
    names = [each.value for each in visit.page.text_input if each.label == "Name"]
    assert (names, visit.now(agent)["version"]) == (["Theirs again"], 4)


def test_more_tokens_than_the_server_allows_are_refused_beside_their_field(visit: Visit) -> None:
    agent = visit.made(max_tokens=1000)
    visit.opens(agent["agent_id"])
    visit.page.number_input[0].set_value(131_000)
    visit.clicks("Save")
    assert "4096 tokens at most" in visit.said
    assert visit.page.number_input[0].value == 131_000


def test_what_two_versions_have_different_is_shown_and_one_is_restored(visit: Visit) -> None:
    agent = visit.made()
    path = f"/api/v1/agents/{agent['agent_id']}"
    change = {"system_prompt": "Help.\nBe kind.", "tools": ["calculator", "list_todos"], "temperature": None}
    visit.http.patch(path, json=change)
    visit.opens(agent["agent_id"], "Versions")
    for words in ("-Be brief.", "+Be kind.", r"with list\_todos", r"without current\_time"):
        assert words in visit.said
    visit.clicks("Restore it")
    restored = visit.now(agent)
    assert (restored["version"], restored["system_prompt"], restored["temperature"]) == (
        3,
        "Help.\nBe brief.",
        0.33,
    )


def test_what_was_exported_is_imported_and_what_is_no_document_stays_in_the_field(
    visit: Visit, api: str, tmp_path: Path
) -> None:
    agent = visit.made(name="Traveller")
    document = visit.http.get(f"/api/v1/agents/{agent['agent_id']}/export").json()
    document["config"]["tools"].append("cannon")
    with showing(api, tmp_path, "ada", IMPORT) as dialog:
        dialog.run().text_area[0].set_value('{"format": ')
        dialog.button[0].click().run()
        assert "This is not JSON" in dialog.error[0].value
        assert dialog.text_area[0].value == '{"format": '
        dialog.text_area[0].set_value(json.dumps(document))
        dialog.button[0].click().run()
        assert "cannon" in dialog.session_state["notice"]
        made = visit.now({"agent_id": dialog.query_params["a"]})
    assert {name: made[name] for name in BODY} == {**BODY, "name": "Traveller"}


def test_an_agent_is_shared_and_withdrawn_and_a_stranger_to_the_server_stays_in_the_field(
    visit: Visit, api: str, tmp_path: Path
) -> None:
    agent = visit.made(name="Common good")
    with Person(api, "bob").http as http:
        assert http.post("/api/v1/agents", json=BODY).is_success
    visit.opens(agent["agent_id"], "Sharing")
    for who in ("nobody@example.com", "bob"):
        visit.types("Share with", who)
        visit.clicks("Share")
        kept = [each.value for each in visit.page.text_input if each.label == "Share with"]
        assert (len(visit.page.error), kept) == ((0, [""]) if who == "bob" else (1, [who]))
    with showing(api, tmp_path / "bob", "bob", SHOW) as other:
        other.query_params["a"] = agent["agent_id"]
        other.run()
        assert "Only its owner can change it" in other.caption[1].value
        assert not other.text_area
        visit.runs()
        visit.clicks("Share it with them no more")
    assert visit.http.get(f"/api/v1/agents/{agent['agent_id']}/shares").json()["shares"] == []


def test_agents_are_searched_and_an_archived_one_is_found_there_alone(visit: Visit) -> None:
    agent = visit.made(name="Rare bird")
    visit.runs()
    visit.types("Search agents", "rare b")
    visit.runs()
    assert [each.label for each in visit.page.button if (each.key or "").startswith("agents-open")] == [
        "**Rare bird**"
    ]
    visit.opens(agent["agent_id"])
    visit.types("Name", "Rarer bird")
    visit.clicks("Archive")
    assert visit.now(agent)["status"] == "archived"
    visit.clicks("Save")
    assert visit.now(agent)["name"] == "Rarer bird"
    visit.page.query_params.clear()
    visit.runs()
    assert [each.value for each in visit.page.info] == [
        "No agent has these words in its name or description."
    ]


def _boxes() -> None:
    from tests.web_ui.test_agents_page import show_boxes  # noqa: PLC0415

    show_boxes()


def show_boxes() -> None:
    """Of ten tools of ours, one of an admin's, one of another server, and one that is away."""
    agent = {**FRESH, "agent_id": "x", "version": 1, "tools": ["library__find", "away__tool"]}
    names = [("custom", "tax"), ("library", "library__find"), *(("built_in", f"tool_{n}") for n in range(10))]
    listed = [
        {"name": name, "description": name, "source": source, "read_only": True} for source, name in names
    ]
    draft = draft_of(agent)
    show_tools(draft, listed)
    st.text(",".join(draft.values["tools"] or []))


def test_tools_are_grouped_by_where_they_come_from_and_ticks_outlast_a_search() -> None:
    page = AppTest.from_function(_boxes, default_timeout=30).run()
    assert not page.exception
    groups = ["Built in", "Custom tools", "From library", "Not there now"]
    assert [each.label for each in page.expander] == groups
    assert page.text[0].value == "library__find,away__tool"
    page.text_input[0].set_value("tool_3").run()
    assert [each.label for each in page.checkbox] == [r"tool\_3"]
    next(each for each in page.button if each.label == "Tick all").click().run()
    page.text_input[0].set_value("").run()
    assert page.text[0].value == "library__find,away__tool,tool_3"
    next(each for each in page.button if each.label == "Tick none").click().run()
    assert page.text[0].value == ""
