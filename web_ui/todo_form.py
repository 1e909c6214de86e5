"""A dialog that changes a todo, or deletes it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import streamlit as st

from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.clock import clock
from web_ui.markdown import safe
from web_ui.place import tell

__all__ = ["LONGEST_TITLE", "PATH", "change_todo", "in_zone"]

PATH: Final = "/api/v1/todos"
LONGEST_TITLE: Final = 500
_LONGEST_DUE: Final = 100
_LONGEST_NOTES: Final = 10_000
_MOST_TAGS: Final = 1_100
_PRIORITIES: Final = ("low", "normal", "high")


def in_zone(path: str) -> str:
    """The path with the reader's zone, in which times are read and told."""
    return f"{path}?timezone={quote(clock().key, safe='')}"


@st.dialog("Change the todo", on_dismiss="rerun")
def change_todo(api: Api, todo: Mapping[str, Any]) -> None:
    """Only what is changed here is sent: the rest may have been changed elsewhere meanwhile."""
    path = f"{PATH}/{todo['id']}"
    # Fields without keys are those of their form: what was typed for one todo is not in that of another.
    with st.form(f"todo-form-{todo['id']}", border=False):
        now = _fields(todo)
        title = st.text_input("Title", now["title"], max_chars=LONGEST_TITLE)
        due = st.text_input(
            "Due",
            now["due"],
            max_chars=_LONGEST_DUE,
            placeholder="tomorrow at 9",
            help="In plain words or as a date; empty: at no time",
        )
        priority = st.segmented_control(
            "Priority", _PRIORITIES, default=now["priority"], required=True, format_func=str.capitalize
        )
        tags = st.text_input("Tags", now["tags"], max_chars=_MOST_TAGS, placeholder="home, garden")
        notes = st.text_area("Notes", now["notes"], max_chars=_LONGEST_NOTES)
        saves = st.form_submit_button("Save", type="primary")
    sent = {"title": title, "due": due, "priority": priority, "tags": tags, "notes": notes}
    if saves and not title.strip():
        st.error("A todo needs a title.")
    elif saves:
        changes: dict[str, Any] = {name: value for name, value in sent.items() if value != now[name]}
        if "tags" in changes:
            changes["tags"] = [tag.strip() for tag in tags.split(",") if tag.strip()]
        _do(lambda: api.patch(in_zone(path), changes), "The todo is changed.")
    with st.popover("Delete", type="tertiary", icon=":material/delete:"):
        st.write("It cannot be brought back.")
        if st.button("Delete it", key="delete-todo"):
            _do(lambda: api.delete(path), "The todo is deleted.")


def _fields(todo: Mapping[str, Any]) -> dict[str, str]:
    due = todo["due"] and datetime.fromisoformat(todo["due"]).astimezone(clock())
    return {
        "title": todo["title"],
        "due": f"{due:%Y-%m-%d %H:%M}" if due else "",
        "priority": todo["priority"],
        "tags": ", ".join(todo["tags"]),
        "notes": todo["notes"] or "",
    }


def _do(action: Any, words: str) -> None:
    """Close the dialog once it is done; say in it why it was not."""
    try:
        action()
    except NotSignedIn:
        st.rerun()
    except ApiError as error:
        st.error(safe(str(error)))
        return
    tell(words)
    st.rerun()
