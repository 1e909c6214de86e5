"""What is typed in a tab: kept when its login ends, and there again once who typed it has signed in again.

Passwords and what is in the small dialogs are not kept.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import streamlit as st

from web_ui.agents.draft import drafts_touched
from web_ui.drafts import drafts_changed
from web_ui.pages import PATHS
from web_ui.place import address_of, tell
from web_ui.prompt import FIELD, take_said
from web_ui.serving import serving
from web_ui.turn import Turn

__all__ = ["address", "bring_back", "keep_field", "keep_typed"]

_TODO: Final = "todo-line"
_EDITORS: Final = "drafts"
_EDITOR: Final = "edit-"
_OPEN: Final = "editor-"
_BACK: Final = "brought back"


def address() -> str:
    """Of the page that is open in this tab: its path, and what it says of what is open there."""
    path = urlsplit(st.context.url or "").path.rstrip("/")
    query = urlencode(st.query_params.to_dict())
    return (path if path in PATHS else "/") + (f"?{query}" if query else "")


def keep_typed(user_id: str, tab: str) -> bool:
    """Keep for them what is typed in this tab, as far as the server knows it; whether there was anything."""
    found = [(place, typed) for place, typed in (*_said(), (address(), _in_fields())) if typed]
    for place, typed in found:
        serving().unsent.keep(user_id, tab, place, typed)
    return bool(found)


def keep_field(user_id: str, tab: str, text: str) -> bool:
    """Keep what is in the field of the chat, and was not sent; whether there is anything."""
    if text.strip():
        serving().unsent.keep(user_id, tab, address(), {FIELD: text})
    return bool(text.strip())


def bring_back(user_id: str) -> None:
    """Put what was kept for this page where it was typed, once in a tab."""
    here, been = address(), st.session_state.setdefault(_BACK, set[str]())
    if here in been:
        return
    been.add(here)
    kept = serving().unsent.take(user_id, here)
    for name, value in (pair for typed in kept for pair in typed.items()):
        before = st.session_state.get(name)
        if isinstance(value, dict):
            # Of several things by their ids, which may be there already.
            st.session_state.setdefault(name, {}).update(value)
        elif name == FIELD and before:
            st.session_state[name] = f"{before}\n\n{value}"
        else:
            st.session_state[name] = value
    if kept:
        tell("What you had typed is here again.")


def _said() -> list[tuple[str, Mapping[str, Any]]]:
    """What was said, or to be said instead, and has not reached the API."""
    place, text = take_said()
    found: list[tuple[str, Mapping[str, Any]]] = [(address_of(place), {FIELD: text})] if text else []
    turn: Turn | None = st.session_state.get("turn")
    if turn is None or turn.asked is None or not turn.message or turn.state.run_id is not None:
        return found
    where, before = address_of(turn.asked.conversation_id), turn.asked.instead_of
    if before is None:
        return [*found, (where, {FIELD: turn.message})]
    return [*found, (where, _editors({f"{_EDITOR}{before}": turn.message}))]


def _in_fields() -> dict[str, Any]:
    """What is in fields and forms, by the names that it has in this tab."""
    state = st.session_state
    found: dict[str, Any] = {**drafts_changed(), **drafts_touched()}
    texts = {str(name): value for name, value in state.items() if isinstance(value, str) and value.strip()}
    editors = {name: text for name, text in texts.items() if name.startswith(_EDITOR)}
    closed: dict[str, str] = state.get(_EDITORS, {})
    if editors or closed:
        found |= _editors(editors, closed)
    if _TODO in texts:
        found[_TODO] = texts[_TODO]
    return found


def _editors(opened: Mapping[str, str], closed: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What is said instead of messages; the editors that were open are so again."""
    are_open = {name.replace(_EDITOR, _OPEN, 1): True for name in opened}
    return {_EDITORS: {**(closed or {}), **opened}, **are_open}
