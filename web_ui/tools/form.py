"""The form of a custom tool."""

import json
from http import HTTPStatus
from typing import Any, Final, cast

import streamlit as st

from web_ui.api import Api, ApiError
from web_ui.drafts import Draft, close_draft, draft_of, show_way_back
from web_ui.logins import Login
from web_ui.markdown import inline, safe
from web_ui.place import tell
from web_ui.tools.kept import show_rest
from web_ui.tools.opened import KIND, follow, path_of

__all__ = ["show_form"]

_REGISTER: Final = "/api/v1/tools/register"
_LONGEST: Final = {"name": 64, "description": 1_000, "parameters": 10_000, "code": 20_000}
_FIELD_OF: Final = {"tool_name_taken": "name"}
_NEEDED: Final = {
    "name": "It needs a name.",
    "description": "Say what it does: models choose tools by that.",
    "code": "It needs code.",
}
_EXAMPLE_ARGUMENTS: Final = """{
  "type": "object",
  "properties": {
    "price": {"type": "number", "description": "Without tax"}
  }
}"""
_EXAMPLE_CODE: Final = "def price_with_tax(price):\n    return round(price * 1.19, 2)"
_NO_ARGUMENTS: Final[dict[str, Any]] = {"type": "object", "properties": {}}
# A constant of ours; Streamlit has no field for code.
_MONOSPACED: Final = (
    "<style>.st-key-tool-code textarea, .st-key-tool-parameters textarea "
    "{ font-family: ui-monospace, monospace; font-size: 0.875rem; tab-size: 4 }</style>"
)


def show_form(api: Api, login: Login, draft: Draft) -> None:
    """Raises NotSignedIn."""
    st.html(_MONOSPACED)
    show_way_back(draft, "All custom tools")
    st.subheader("New tool" if draft.is_new else inline(draft.base["name"]), anchor=False)
    if draft.is_new:
        st.text_input(
            "Name",
            key=draft.key("name"),
            on_change=draft.note,
            max_chars=_LONGEST["name"],
            placeholder="price_with_tax",
            help="Small letters, digits and _, beginning with a letter. It cannot be changed later",
        )
        draft.show_wrong("name")
    about = "What it does, and when to use it. Models choose tools by that"
    _show_text(draft, "description", "Description", "A price with value-added tax.", about, 96)
    about = "A JSON Schema, whose properties are the arguments of the function. Empty: it takes none"
    _show_text(draft, "parameters", "Arguments, as JSON Schema", _EXAMPLE_ARGUMENTS, about, 180)
    about = "Python with a function of the tool's name. What it returns is the result"
    _show_text(draft, "code", "Code", _EXAMPLE_CODE, about, 280)
    if draft.trouble:
        st.error(safe(draft.trouble))
    words = "Add the tool" if draft.is_new else "Save"
    with st.container(horizontal=True):
        st.button(words, key="save-tool", type="primary", on_click=_save, args=(api, draft))
        if draft.trouble and draft.changed and not draft.is_new:
            st.button("Drop what I typed", key="drop", on_click=draft.drop)
    if not draft.is_new:
        show_rest(api, login, draft)


def _show_text(draft: Draft, name: str, label: str, example: str, about: str, height: int) -> None:
    st.text_area(
        label,
        key=draft.key(name),
        on_change=draft.note,
        max_chars=_LONGEST[name],
        height=height,
        placeholder=example,
        help=about,
    )
    draft.show_wrong(name)


def _save(api: Api, draft: Draft) -> None:
    if draft_of(KIND) is not draft:
        # Clicked twice.
        return
    draft.take()
    typed = draft.typed
    draft.wrong = {name: words for name, words in _NEEDED.items() if not typed[name].strip()}
    body: dict[str, Any] = {"description": typed["description"], "code": typed["code"]}
    try:
        body["parameters"] = _parsed(typed["parameters"])
    except (ValueError, RecursionError) as error:
        draft.wrong["parameters"] = _why_not_json(error)
    if draft.wrong:
        return
    try:
        if draft.is_new:
            api.post(_REGISTER, {"name": typed["name"].strip(), **body})
        else:
            api.put(path_of(draft), body, if_match=draft.version)
    except ApiError as error:
        if error.status == HTTPStatus.PRECONDITION_FAILED:
            follow(api, draft)
        else:
            draft.fail(error, _FIELD_OF, {})
        return
    close_draft(KIND)
    tell("Agents have the tool within seconds." if draft.is_new else "There is a new version of the tool.")


def _parsed(text: str) -> dict[str, Any]:
    """Raises ValueError, RecursionError."""
    found = json.loads(text) if text.strip() else _NO_ARGUMENTS
    if not isinstance(found, dict):
        raise ValueError("It has to be a JSON object.")  # noqa: TRY004
    # What Python reads, and neither JSON nor Unicode has.
    json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    return cast("dict[str, Any]", found)


def _why_not_json(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"This is not JSON: look at line {error.lineno}, column {error.colno}."
    return "This has to be a JSON object."
