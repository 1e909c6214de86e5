"""What is different between two versions of an agent, to be read."""

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from web_ui.agents.words import TITLES
from web_ui.markdown import inline

__all__ = ["show_difference"]


def show_difference(found: Mapping[str, Any]) -> None:
    """`found`: as the API tells it."""
    changes: list[Mapping[str, Any]] = found["changes"]
    if not changes and found["prompt"] is None:
        st.caption("They are the same.")
    for change in changes:
        title = TITLES.get(change["field"], inline(change["field"]))
        st.markdown(f"**{title}:** {_words(change['field'], change['before'], change['after'])}")
    if found["prompt"] is not None:
        st.markdown(f"**{TITLES['system_prompt']}:**")
        # Without the names of files, which there are not.
        lines = found["prompt"].split("\n")[2:]
        st.code("\n".join(lines), language="diff", wrap_lines=True)
        if found["prompt_cut"]:
            st.caption("It is longer than can be shown here.")


def _words(name: str, before: Any, after: Any) -> str:
    if name == "approvals":
        return f"{_rules(before)} → {_rules(after)}"
    if name == "tools" and before is not None and after is not None:
        come, gone = (
            [each for each in after if each not in before],
            [each for each in before if each not in after],
        )
        return ", ".join(
            [f"with {inline(each)}" for each in come] + [f"without {inline(each)}" for each in gone]
        )
    return f"{_value(name, before)} → {_value(name, after)}"


def _rules(rules: Mapping[str, Any]) -> str:
    asked = [inline(each) for each in rules["tools"]]
    asked += ["everything that changes something"] if rules["not_read_only"] else []
    return ", ".join(asked) or "nothing"


def _value(name: str, value: Any) -> str:
    if value is None:
        empty = {"description": "nothing", "tools": "all tools", "provider": "any", "model_id": "the first"}
        return empty.get(name, "as the provider has it")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "tools":
        return ", ".join(map(inline, value)) or "none"
    return inline(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
