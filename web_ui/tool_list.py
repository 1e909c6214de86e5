"""Tools, as people read of them: what each does, what it takes, and whether it only reads."""

from collections.abc import Mapping
from typing import Any, Final, cast

import streamlit as st

from web_ui.markdown import inline, safe

__all__ = ["show_tool"]

_TYPES: Final = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "yes or no",
    "array": "a list",
    "object": "an object",
}
_MOST_CHOICES: Final = 12


def show_tool(tool: Mapping[str, Any], name: str) -> None:
    """A card that opens, with the name on it."""
    effect = "only reads" if tool["read_only"] else "may change things"
    with st.expander(f"{inline(name)} · {effect}"):
        st.markdown(safe(tool["description"]) or "It says nothing of itself.")
        takes = _arguments(tool["parameters"])
        st.markdown("\n".join(["It takes", "", *takes]) if takes else "It takes nothing.")


def _arguments(schema: Mapping[str, Any]) -> list[str]:
    """A line for each. Others wrote this: anything may be anywhere in it."""
    needed = _list(schema.get("required"))
    return [
        _argument(name, _object(each), "" if name in needed else "optional")
        for name, each in _object(schema.get("properties")).items()
    ]


def _argument(name: str, schema: Mapping[str, Any], optional: str) -> str:
    about = ", ".join(filter(None, [_kind(schema), optional]))
    said = schema.get("description")
    words = f": {inline(said)}" if isinstance(said, str) else ""
    return f"- **{inline(name)}**{f' ({about})' if about else ''}{words}"


def _kind(schema: Mapping[str, Any]) -> str:
    choices, named = _list(schema.get("enum")), schema.get("type")
    if choices:
        shown = ", ".join(inline(str(each)) for each in choices[:_MOST_CHOICES])
        return f"one of {shown}{', …' if len(choices) > _MOST_CHOICES else ''}"
    kinds = [_kind(_object(each)) for each in _list(schema.get("anyOf"))]
    kinds += [_TYPES.get(str(each), "") for each in _list(named) or [named]]
    return " or ".join(dict.fromkeys(filter(None, kinds)))


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []
