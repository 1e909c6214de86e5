"""The tools of an agent, by tick box."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import streamlit as st

from web_ui.agents.draft import Draft
from web_ui.markdown import inline

__all__ = ["show_tools"]

_ALL: Final = "All tools, also those that come later"
_TICKED: Final = "Only those that I tick"
_MANY: Final = 8
_LONGEST: Final = 160
_TITLES: Final = {"built_in": "Built in", "custom": "Custom tools"}
_AWAY: Final = "Not there now"


@dataclass(frozen=True, slots=True)
class _Tool:
    name: str
    about: str = ""
    changes: bool = False


def show_tools(draft: Draft, listed: Sequence[dict[str, Any]]) -> None:
    """Let the draft name tools of those that there are, and of those that it names already."""
    choice, shown = f"{draft.key}-which", f"{draft.key}-wanted"
    st.session_state.setdefault(choice, _ALL if draft.values["tools"] is None else _TICKED)
    st.markdown("**Tools**")
    which = st.radio("Which tools it may use", (_ALL, _TICKED), key=choice)
    if which == _ALL:
        draft.values["tools"] = None
        return
    ticked: list[str] = draft.values["tools"] or []
    groups = _groups(listed, [*ticked, *(draft.before["tools"] or [])])
    count = sum(map(len, groups.values()))
    wanted = ""
    if count > _MANY:
        placeholder = "Search tools"
        wanted = st.text_input(
            placeholder,
            key=shown,
            placeholder=placeholder,
            icon=":material/search:",
            label_visibility="collapsed",
        )
    found = {title: [tool for tool in tools if _fits(tool, wanted)] for title, tools in groups.items()}
    names = [tool.name for tools in found.values() for tool in tools]
    foot = st.container(horizontal=True, vertical_alignment="center")
    _all_or_none(foot, draft, names)
    said = foot.empty()
    for title, tools in found.items():
        if tools:
            with st.expander(inline(title), expanded=True, key=f"{draft.key}-group-{title}"):
                ticked = _show_group(draft, tools, ticked)
    draft.values["tools"] = ticked
    said.caption(f"{len(ticked)} of {count} ticked")
    if not names:
        st.caption("No tool is called so." if wanted else "There are no tools now.")


def _all_or_none(foot: Any, draft: Draft, names: Iterable[str]) -> None:
    for words, value in (("Tick all", True), ("Tick none", False)):
        foot.button(
            words, key=f"{draft.key}-{words}", type="tertiary", on_click=_tick, args=(draft, names, value)
        )


def _tick(draft: Draft, names: Iterable[str], value: bool) -> None:  # noqa: FBT001
    for name in names:
        st.session_state[_key(draft, name)] = value


def _key(draft: Draft, name: str) -> str:
    return f"{draft.key}-tool-{name}"


def _show_group(draft: Draft, tools: Iterable[_Tool], ticked: list[str]) -> list[str]:
    """What is ticked after it."""
    for tool in tools:
        key = _key(draft, tool.name)
        st.session_state.setdefault(key, tool.name in ticked)
        with st.container(gap=None):
            if not st.checkbox(inline(tool.name), key=key):
                ticked = [name for name in ticked if name != tool.name]
            elif tool.name not in ticked:
                ticked = [*ticked, tool.name]
            st.caption(inline(_cut(tool.about)) + (" *Changes something.*" if tool.changes else ""))
    return ticked


def _groups(listed: Sequence[dict[str, Any]], named: Iterable[str]) -> dict[str, list[_Tool]]:
    """By where they come from; at the end what the agent names, and is not there."""
    groups: dict[str, list[_Tool]] = {}
    for each in sorted(
        listed,
        key=lambda tool: list(_TITLES).index(tool["source"]) if tool["source"] in _TITLES else len(_TITLES),
    ):
        tool = _Tool(each["name"], each["description"], changes=not each["read_only"])
        groups.setdefault(_TITLES.get(each["source"], f"From {each['source']}"), []).append(tool)
    there = {each["name"] for each in listed}
    away = [_Tool(name) for name in dict.fromkeys(named) if name not in there]
    return {**groups, _AWAY: away} if away else groups


def _fits(tool: _Tool, wanted: str) -> bool:
    return wanted.strip().lower() in f"{tool.name} {tool.about}".lower()


def _cut(text: str) -> str:
    """The first sentence or so."""
    first = text.strip().split("\n\n", 1)[0]
    return first if len(first) <= _LONGEST else f"{first[:_LONGEST].rstrip()}…"
