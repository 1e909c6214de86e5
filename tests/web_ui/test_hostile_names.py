"""What others wrote goes on each page as text, or as Markdown without pictures; names are never Markdown."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from google.protobuf.message import Message
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Block

from tests.web_ui.hostile import texts_with
from tests.web_ui.hostile_world import World, hostile_world
from tests.web_ui.showing import showing
from web_ui.turn import Question, State

WHO: Final = "hal"
ELSEWHERE: Final = "http://canary.test"
SHELL: Final = """
from web_ui.aside import forget_answers, show_answers
from web_ui.{0} import {1}
forget_answers()
{1}(api, login)
show_answers()
"""
# What Streamlit shows as it is, and the data of plots.
PLAIN: Final = frozenset(
    {
        "VegaLiteChart.data",
        "VegaLiteChart.datasets",
        "BidiComponent.json",
        "Code.code_text",
        "MultiSelect.options",
        "Selectbox.options",
        "Selectbox.raw_value",
        "Text.body",
        "TextArea.default",
        "TextArea.value",
        "TextInput.default",
        "TextInput.value",
    }
)
IDS: Final = frozenset({"element_id", "form_id", "id", "key"})
# Of a name that is Markdown; of a picture.
MARKS: Final = (":red[n]", "**n**", "![")


@pytest.fixture(scope="module")
def world(api: str) -> Generator[World]:
    with hostile_world(api, WHO, ELSEWHERE) as world:
        yield world


def faults(page: AppTest) -> list[str]:
    """Where there is Markdown that others wrote."""
    assert not page.exception
    return [
        f"{place}: {text}"
        for element in _drawn(page._tree)  # pyright: ignore[reportPrivateUsage]
        for place, text in _texts(element)
        if any(mark in text for mark in MARKS) or ("Html" in place and ELSEWHERE in text)
    ]


def _drawn(block: Block) -> Iterator[Message]:
    for each in block.children.values():
        if isinstance(each.proto, Message):
            assert not getattr(each.proto, "allow_html", False)
            yield each.proto
        if isinstance(each, Block):
            yield from _drawn(each)


def _texts(message: Message) -> Iterator[tuple[str, str]]:
    """What is shown of it as Markdown, each with the name of its place."""
    for field, value in message.ListFields():
        place = f"{message.DESCRIPTOR.name}.{field.name}"
        if place in PLAIN or field.name in IDS:
            continue
        each: Any
        for each in value if field.is_repeated else [value]:
            if isinstance(each, Message):
                yield from _texts(each)
            elif isinstance(each, str | bytes):
                yield place, each if isinstance(each, str) else each.decode("latin-1")


def click(page: AppTest, key: str) -> AppTest:
    page.button(key=key).click().run()
    return page


def test_servers_and_their_tools(api: str, world: World, tmp_path: Path) -> None:
    script = SHELL.format("servers.page", "show_servers")
    with showing(api, tmp_path, WHO, script, roles=["admin"]) as page:
        assert faults(page.run()) == []
        assert faults(click(page, f"open-{world.server}")) == []
        assert len(page.expander) > len(texts_with(ELSEWHERE))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("account", "show_account"),
        ("keys", "show_keys"),
        ("todos", "show_todos"),
    ],
)
def test_what_is_listed(module: str, name: str, api: str, world: World, tmp_path: Path) -> None:
    with showing(api, tmp_path, WHO, SHELL.format(module, name), roles=["admin"]) as page:
        assert faults(page.run()) == []


def test_custom_tools(api: str, world: World, tmp_path: Path) -> None:
    with showing(api, tmp_path, WHO, SHELL.format("tools.page", "show_tools"), roles=["admin"]) as page:
        page.session_state["all-tools"] = True
        assert faults(page.run()) == []
        click(page, f"open-{world.tool}")
        page.session_state[f"versions-{world.tool}"] = True
        assert faults(page.run()) == []
        assert page.selectbox(key="version")


def test_providers_and_their_models(api: str, world: World, tmp_path: Path) -> None:
    with showing(api, tmp_path, WHO, SHELL.format("providers", "show_providers"), roles=["admin"]) as page:
        page.session_state[f"models-{world.provider}"] = True
        assert faults(page.run()) == []
        assert len(page.table) == 1
        assert faults(click(page, f"test-{world.provider}")) == []


def test_agents_of_ones_own_and_of_others(api: str, world: World, tmp_path: Path) -> None:
    script = SHELL.format("agents.show", "show_agents_page")
    with showing(api, tmp_path, WHO, script, roles=["admin"]) as page:
        assert faults(page.run()) == []
        page.query_params["a"] = world.agent
        assert faults(page.run()) == []
        page.query_params["a"] = world.own_agent
        page.run().radio[0].set_value("Only those that I tick")
        assert faults(page.run()) == []
        assert len(page.checkbox) > len(texts_with(ELSEWHERE))
        for part in ("Versions", "Sharing", "Use"):
            page.session_state[f"agent-tabs-{world.own_agent}"] = part
            assert faults(page.run()) == []
        assert page.metric[0].label == "Turns"


def test_figures_by_model_and_agent(api: str, world: World, tmp_path: Path) -> None:
    with showing(api, tmp_path, WHO, SHELL.format("usage", "show_usage")) as page:
        page.session_state["tables"] = True
        assert faults(page.run()) == []
        assert len(page.table) == 3


def test_the_chat_and_what_is_beside_it(api: str, world: World, tmp_path: Path) -> None:
    with showing(api, tmp_path, WHO, "from web_ui.shell import show_page\nshow_page(login)") as page:
        page.session_state["model"] = True
        page.query_params["c"] = world.conversation
        assert faults(page.run()) == []
        assert len(page.chat_message) == len(texts_with(ELSEWHERE))
        page.radio(key="provider").set_value("hostile")
        assert faults(page.run()) == []


def _ask() -> None:
    from typing import cast  # noqa: PLC0415

    from tests.web_ui.test_hostile_names import ASKED  # noqa: PLC0415
    from web_ui.cards import show_question  # noqa: PLC0415
    from web_ui.turn import Turn  # noqa: PLC0415

    show_question(cast("Turn", ASKED), ASKED.question)


class Asked:
    """A turn that asks, and remembers what was decided."""

    state: Final = State(run_id="r")
    question: Final = Question("a", 1, "write_file", {"path": "\u202egpj.exe\u200b", "text": "👩‍🌾"}, None)

    def __init__(self) -> None:
        self.decided: Any = None

    def decide(self, _: Question, decision: Any) -> None:
        self.decided = decision


ASKED: Final = Asked()


def test_what_cannot_be_seen_in_a_call_is_written_out_and_approved_as_it_is() -> None:
    page = AppTest.from_function(_ask).run()
    [field] = page.text_area
    assert '"\\u202egpj.exe\\u200b"' in str(field.value)
    assert "👩‍🌾" in str(field.value)
    page.button(key="approve-r-1").click().run()
    assert not page.exception
    assert ASKED.decided == {"decision": "approve"}


def _raw() -> None:
    import streamlit as st  # noqa: PLC0415

    from tests.web_ui.hostile import name_with, texts_with  # noqa: PLC0415
    from web_ui.markdown import safe  # noqa: PLC0415

    name = name_with("http://canary.test")
    st.markdown(texts_with("http://canary.test")[0])
    st.button(name)
    st.table({"name": [name]})  # pyright: ignore[reportUnknownMemberType]
    st.html(name.partition(">")[0])
    st.markdown(safe(name))


def test_what_is_not_made_safe_is_found() -> None:
    """The control."""
    page = AppTest.from_function(_raw).run()
    places = {each.partition(":")[0] for each in faults(page)}
    assert places == {"Button.label", "Html.body", "Markdown.body", "ArrowData.data"}
