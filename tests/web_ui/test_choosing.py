"""Who is chosen beside the chat is who answers."""

from typing import Any, Final

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from web_ui.api import Api
from web_ui.choosing import chosen, show_agents, show_model
from web_ui.labels import unlike

MINE: Final = {"name": "Pirate", "right": "owner", "owner": None}
THEIRS: Final = {"name": "Default assistant", "right": "use", "owner": {"name": "Mallory"}}
AGENTS: Final[list[dict[str, Any]]] = [
    {"agent_id": "4", **THEIRS, "owner": {"name": None}},
    {"agent_id": "3", **THEIRS},
    {"agent_id": "2", **MINE},
    {"agent_id": "1", **MINE},
    {"agent_id": "0", **MINE, "name": "default  Assistant"},
]


class Told(Api):
    """Tells what it is given, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.agents = AGENTS
        self.asked: list[str] = []
        self.answers = True

    def get(self, path: str, **_: Any) -> Any:
        self.asked.append(path)
        if path.endswith("/status"):
            return {"available": self.answers, "latency_ms": 1, "model_count": 1}
        models = [{"provider": "openai", "model_id": name} for name in ("Automatic", "small")]
        return {"agents": self.agents, "providers": [], "models": models, "next_cursor": None}


def _draw() -> None:
    from tests.web_ui.test_choosing import draw  # noqa: PLC0415

    draw()


def draw() -> None:
    show_agents(st.session_state.api, anew=True)
    show_model(st.session_state.api, anew=st.session_state.get("anew", True))
    st.session_state.told = chosen()


@pytest.fixture
def page() -> AppTest:
    page = AppTest.from_function(_draw, default_timeout=30)
    page.session_state["api"] = Told()
    return page


def test_agents_that_are_called_the_same_are_told_apart(page: AppTest) -> None:
    page.run()
    agents = page.selectbox(key="agent")
    assert agents.options == [
        "Default assistant",
        "Default assistant · shared",
        "Default assistant · from Mallory",
        "Pirate (2)",
        "Pirate",
        "default Assistant (2)",
    ]
    for label, agent_id in zip(agents.options, ("default", "4", "3", "2", "1", "0"), strict=True):
        page.selectbox(key="agent").select(label).run()
        assert not page.exception
        assert page.session_state["told"]["agent_id"] == agent_id


def test_a_number_is_not_taken_twice() -> None:
    names = {1: "x", 2: "x (2)", 3: "X", 4: " x\n"}
    assert unlike(names) == {1: "x", 2: "x (2)", 3: "X (3)", 4: "x (4)"}


def test_every_change_of_the_numbers_counts_and_they_last(page: AppTest) -> None:
    page.session_state["model"] = True
    page.run()
    page.toggle(key="own").set_value(v=True).run()
    for warmth, length in ((0.8, 200), (0.9, 300), (1.0, 400), (1.5, 500)):
        page.slider(key="temperature").set_value(warmth).run()
        page.number_input(key="max-tokens").set_value(length).run()
        assert (page.session_state["told"]["temperature"], page.session_state["told"]["max_tokens"]) == (
            warmth,
            length,
        )
    page.toggle(key="own").set_value(v=False).run()
    assert "temperature" not in page.session_state["told"]
    page.toggle(key="own").set_value(v=True).run()
    page.session_state["model"] = False
    page.run()
    assert page.session_state["told"]["temperature"] == 1.5
    page.session_state["model"] = True
    page.run()
    assert page.slider(key="temperature").value == 1.5


def test_a_model_is_chosen_whatever_it_is_called_and_stays_so_while_its_provider_is_away(
    page: AppTest,
) -> None:
    page.session_state["model"] = True
    page.run()
    page.radio(key="provider").set_value("openai").run()
    models = page.selectbox(key="model-of-openai")
    assert models.options == ["Automatic", "Automatic (2)", "small"]
    models.select("Automatic (2)").run()
    wanted = {"agent_id": "default", "provider": "openai", "model_id": "Automatic"}
    assert page.session_state["told"] == wanted
    page.session_state["api"].answers = False
    page.session_state["asked_at"] = {}
    page.run()
    assert ":red[●] openai" in page.radio(key="provider").options
    assert page.session_state["told"] == wanted
    page.selectbox(key="model-of-openai").set_value("").run()
    assert page.session_state["told"] == {"agent_id": "default", "provider": "openai"}


def test_drawing_anew_asks_for_nothing_that_was_told_just_now(page: AppTest) -> None:
    page.session_state["model"] = True
    page.run()
    asked = page.session_state["api"].asked
    assert len(asked) == len(set(asked)) == 7
    page.run()
    assert len(asked) == 7
    # Nor while a turn goes on, however long ago it was.
    page.session_state["asked_at"] = {}
    page.session_state["anew"] = False
    page.run()
    assert asked[7:] == ["/api/v1/agents"]
    # The control: one that was made is asked for at once.
    page.session_state["next_agent"] = "3"
    page.run()
    assert asked[8:] == ["/api/v1/agents"]
    assert page.session_state["told"]["agent_id"] == "3"
