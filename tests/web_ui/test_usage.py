"""The page of usage: the same figures as the API's, as plots and as tables."""

from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from tests.model_server import ModelServer, call, say
from tests.servers import Person
from tests.web_ui.showing import showing
from tests.web_ui.visiting import Visitor
from web_ui.figures import PERIODS, begun, seconds

BERLIN: Final = ZoneInfo("Europe/Berlin")
SCRIPT: Final = """
from web_ui.usage import show_usage
show_usage(api, login)
"""


def test_who_took_no_turn_is_told_so_and_who_did_sees_what_the_api_says(
    api: str, tmp_path: Path, model: ModelServer
) -> None:
    with showing(api, tmp_path, "uma", SCRIPT) as page:
        page.run()
        assert "no turns in the last 30 days" in page.info[0].value
        with Person(api, "uma").http as http:
            body = {"name": "Clerk *<b>*", "system_prompt": "Help."}
            clerk = http.post("/api/v1/agents", json=body).json()["agent_id"]
            ghost = http.post("/api/v1/agents", json=body).json()["agent_id"]
            model.answers(
                call("calculator", expression="6*7"), call("calculator", expression="1/0"), *[say("Oh.")] * 3
            )
            for agent_id in ("default", clerk, ghost):
                message = {"message": "Hello", "agent_id": agent_id}
                assert http.post("/api/uma/chat", json=message).is_success
            assert http.delete(f"/api/v1/agents/{ghost}").is_success
            total = http.get("/api/v1/usage").json()["total"]
        page.run()
        shown = {metric.label: metric.value for metric in page.metric}
        tokens = total["input_tokens"] + total["output_tokens"]
        assert (shown["Turns"], shown["Tokens"], shown["Tool calls"]) == ("3", f"{tokens:,}", "2")
        assert shown["Cost"] == "not known"
        for name in ("Turns", "Answer time", "Cost", "Tool calls"):
            page.segmented_control(key="measure").set_value(name).run()
            assert not page.exception
        page.segmented_control(key="period").set_value("24 hours").run()
        assert not page.exception
        assert {metric.label: metric.value for metric in page.metric} == shown


def test_an_hour_that_the_clocks_repeat_is_there_twice_under_two_names() -> None:
    now = datetime(2026, 10, 25, 12, 30, tzinfo=BERLIN)
    hours = begun(PERIODS["24 hours"], now, BERLIN)
    labels = [label for _, label in hours]
    assert len({moment.isoformat() for moment, _ in hours}) == len(set(labels)) == 24
    assert labels[-13:-10] == [
        "Sun\u00a001:00",
        *(f"Sun\u00a002:00\u00a0(UTC+0{offset}00)" for offset in (2, 1)),
    ]


@pytest.mark.parametrize(
    ("milliseconds", "words"), [(None, "not known"), (12.4, "12 ms"), (999, "999 ms"), (1250, "1.2 s")]
)
def test_a_time_is_told_so_that_it_is_not_nothing(milliseconds: float | None, words: str) -> None:
    assert seconds(milliseconds) == words


def test_plots_are_drawn_and_their_tables_say_the_same_as_the_api(
    visitor: Visitor, api: str, model: ModelServer
) -> None:
    name = '<img src=x onerror="window.hacked=1">'
    with Person(api, "local").http as http:
        agent_id = http.post("/api/v1/agents", json={"name": name, "system_prompt": "Help."}).json()[
            "agent_id"
        ]
        model.answers(call("calculator", expression="1/0"), say("Oh."))
        body = {"message": "Hello", "agent_id": agent_id}
        assert http.post("/api/local/chat", json=body).is_success
        [*_, today] = http.get("/api/v1/usage").json()["groups"]
        used = http.get("/api/v1/usage/tools").json()["groups"]
    # Others of this worker may have been here before.
    [calls] = [str(each["calls"]) for each in used if each["key"] == "calculator"]
    page = visitor.page
    visitor.comes_in()
    visitor.goes_to("usage", "Usage")
    plots = page.get_by_test_id("stVegaLiteChart").locator("svg.marks")
    expect(plots).to_have_count(3)
    page.locator('path[aria-label*="onerror"]').first.hover()
    expect(page.locator("#vg-tooltip-element")).to_contain_text(name)
    page.get_by_text("As tables").click()
    row = page.get_by_role("table", name="Usage by day").get_by_role("row").last
    expect(row).to_contain_text(f"{today['input_tokens']:,}")
    cells = row.get_by_role("cell").all_inner_texts()
    figures = [f"{today[name]:,}" for name in ("runs", "failed_runs", "input_tokens", "output_tokens")]
    assert cells[1:5] == figures
    expect(page.get_by_role("table", name="Usage by agent").get_by_text(name)).to_be_visible()
    # What came after is not shown before the page is loaded anew: its figures are asked for once.
    with Person(api, "local").http as http:
        model.answers(call("calculator", expression="1/0"), say("Oh."))
        assert http.post("/api/local/chat", json=body).is_success
    page.get_by_role("radio", name="Tool calls").click()
    expect(plots).to_have_count(2)
    tools = page.get_by_role("table", name="Usage by tool").get_by_role("row", name="calculator")
    expect(tools.get_by_role("cell").nth(1)).to_have_text(calls)
    visitor.finds_it_tidy()
    page.set_viewport_size({"width": 390, "height": 800})
    visitor.finds_it_tidy()
    assert page.evaluate("window.hacked") is None
