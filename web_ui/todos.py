"""The page of todos: one's own list, which the assistant keeps, too."""

import math
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

import streamlit as st

from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.clock import clock
from web_ui.logins import Login
from web_ui.markdown import inline, safe
from web_ui.place import tell
from web_ui.todo_form import PATH, change_todo, in_zone
from web_ui.todo_words import about, due_of, in_order, split_due

__all__ = ["show_todos"]

_PAGE: Final = 100
_LOOK_SECONDS: Final = 3
_TWICE_SECONDS: Final = 2
# Of a list of several pages only each tenth look is taken.
_MOST_SKIPPED: Final = 10
_TOLD_SECONDS: Final = 60
_LONGEST_LINE: Final = 500
_LONGEST_QUERY: Final = 200
_ANY_TAG: Final = ""
_LABELS: Final = {"open": "Open", "done": "Done", "all": "All"}
_NO_TIME: Final = "not_a_time"
# Screen readers say it all the same.
_HIDDEN: Final = """<style>
[class*="st-key-todo-"] [class*="st-key-edit-"] em {
    position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap;
}
</style>"""


def show_todos(api: Api, _: Login) -> None:
    """Raises NotSignedIn."""
    st.title("Todos", anchor=False)
    st.html(_HIDDEN)
    _show_field(api)
    filters = st.container(horizontal=True, vertical_alignment="center")
    wanted = _wanted()
    if st.session_state.get("todos", {}).get("wanted") != wanted:
        st.session_state.todos_shown = _PAGE
    # Here, where the shell is told of a login that is over; what goes on by itself is told nothing.
    st.session_state.todos = _look(api, wanted)
    st.session_state.todos_are_fresh = True
    with filters:
        _show_filters()
    _show_list(api, wanted)
    chosen = st.session_state.pop("todo_to_change", None)
    if chosen is not None:
        change_todo(api, chosen)


def _show_field(api: Api) -> None:
    with st.form("todo-new", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "Add a todo",
            key="todo-line",
            max_chars=_LONGEST_LINE,
            placeholder="Call Ann, tomorrow at 9",
            help="After a comma may come when it is due",
        )
        st.form_submit_button("Add", type="primary", on_click=_add, args=(api,))
    trouble = st.session_state.pop("todo_trouble", None)
    if trouble:
        st.error(safe(trouble))


def _add(api: Api) -> None:
    """The line is kept in its field where it is not taken."""
    line: str = st.session_state["todo-line"].strip()
    if not line:
        return
    try:
        added = _added(api, line)
    except ApiError as error:
        st.session_state.todo_trouble = str(error)
        return
    st.session_state["todo-line"] = ""
    st.session_state.todo_sent["until"] = time.monotonic() + _TWICE_SECONDS
    words = f"“{inline(added['title'])}” is on the list"
    if added["due"] is not None:
        now = datetime.now(clock())
        words += f", due {due_of(datetime.fromisoformat(added['due']).astimezone(now.tzinfo), now)}"
    # The line may be sent before the list is there.
    is_long = st.session_state.get("todos", {}).get("more", False)
    tell(f"{words}. Load more to see it." if is_long else f"{words}.")


def _added(api: Api, line: str) -> dict[str, Any]:
    """Raises ApiError."""
    title, due = split_due(line)
    key = _key_of(line)
    if due is not None:
        try:
            return api.post(in_zone(PATH), {"title": title, "due": due}, key=f"{key}-due")
        except ApiError as error:
            if error.code != _NO_TIME:
                raise
    return api.post(in_zone(PATH), {"title": line}, key=key)


def _key_of(line: str) -> str:
    """The same one for a line that is sent once more, after a double click or an answer that was lost."""
    sent: dict[str, Any] | None = st.session_state.get("todo_sent")
    if sent is None or sent["line"] != line or time.monotonic() > sent["until"]:
        sent = st.session_state.todo_sent = {"line": line, "key": uuid4().hex, "until": math.inf}
    return sent["key"]


def _wanted() -> dict[str, Any]:
    """What the filters say, which are drawn later: they offer the tags that are found."""
    kept = st.session_state
    return {
        "status": kept.get("todo-status") or "open",
        "query": kept.get("todo-query", "").strip() or None,
        "tag": kept.get("todo-tag") or None,
    }


def _show_filters() -> None:
    st.segmented_control(
        "Show",
        list(_LABELS),
        default="open",
        required=True,
        format_func=_LABELS.__getitem__,
        key="todo-status",
        label_visibility="collapsed",
    )
    st.text_input(
        "Search todos",
        key="todo-query",
        max_chars=_LONGEST_QUERY,
        icon=":material/search:",
        placeholder="Search",
        label_visibility="collapsed",
    )
    tags: list[str] = sorted(st.session_state.todo_tags)
    if tags:
        st.selectbox(
            "Tag",
            [_ANY_TAG, *tags],
            key="todo-tag",
            format_func=lambda tag: tag or "Any tag",
            label_visibility="collapsed",
        )


def _look(api: Api, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What there is; where the API does not tell, what there was, and why. Raises NotSignedIn."""
    count: int = st.session_state.todos_shown
    tags: set[str] = st.session_state.setdefault("todo_tags", set[str]())
    found: list[dict[str, Any]] = []
    cursor = None
    try:
        while len(found) < count:
            page = api.get(PATH, **wanted, limit=_PAGE, cursor=cursor, timezone=clock().key)
            found += page["todos"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
    except NotSignedIn:
        raise
    except ApiError as error:
        before: dict[str, Any] = st.session_state.get("todos", {})
        same = before.get("wanted") == wanted
        return {
            "wanted": wanted,
            "todos": before["todos"] if same else [],
            "more": False,
            "error": str(error),
        }
    tags.update(tag for todo in found for tag in todo["tags"])
    return {"wanted": wanted, "todos": found, "more": cursor is not None, "error": None}


@st.fragment(run_every=_LOOK_SECONDS)
def _show_list(api: Api, wanted: Mapping[str, Any]) -> None:
    """It is drawn anew by itself, so that what is changed elsewhere is seen; nothing is typed in it."""
    if not st.session_state.pop("todos_are_fresh", False) and _is_time():
        try:
            st.session_state.todos = _look(api, wanted)
        except NotSignedIn:
            st.rerun()
    seen: dict[str, Any] = st.session_state.todos
    _show_ticked(api)
    if seen["error"] is not None:
        st.error(safe(seen["error"]))
    if not seen["todos"] and seen["error"] is None:
        st.info(_nothing(wanted))
    now = datetime.now(clock())
    for todo in in_order(seen["todos"]):
        _show_todo(api, todo, now)
    if seen["more"]:
        st.button("Load more", key="todos-more", width="stretch", on_click=_show_more)


def _is_time() -> bool:
    kept = st.session_state
    kept.todos_skipped = kept.get("todos_skipped", 0) + 1
    if kept.todos_shown > _PAGE and kept.todos_skipped < _MOST_SKIPPED:
        return False
    kept.todos_skipped = 0
    return True


def _nothing(wanted: Mapping[str, Any]) -> str:
    if wanted["query"] or wanted["tag"]:
        return "Nothing was found."
    if wanted["status"] == "done":
        return "Nothing is done yet. Tick off a todo, and it comes here."
    return "There is nothing to do. Add a todo above, or ask the assistant to remind you of something."


def _show_more() -> None:
    st.session_state.todos_shown += _PAGE
    st.session_state.todos_skipped = _MOST_SKIPPED


def _show_todo(api: Api, todo: dict[str, Any], now: datetime) -> None:
    id_, status = todo["id"], todo["status"]
    with st.container(horizontal=True, vertical_alignment="top", gap="small", key=f"todo-{id_}"):
        with st.container(gap=None, width="stretch"):
            # Of a todo that was changed elsewhere it is another field, which shows what it is by now.
            key = f"tick-{id_}-{status}"
            st.checkbox(
                inline(todo["title"]), status == "done", key=key, on_change=_tick, args=(api, todo, key)
            )
            details = about(todo, now)
            if details:
                st.markdown(f":small[{details}]")
        # For who hears of the button alone, which one it is.
        words = f"Edit *{inline(todo['title'])}*"
        if st.button(words, key=f"edit-{id_}", type="tertiary", icon=":material/edit:"):
            st.session_state.todo_to_change = todo
            st.rerun()


def _tick(api: Api, todo: Mapping[str, Any], key: str) -> None:
    """Tick it off, or open it again, as its box says."""
    done: bool = st.session_state[key]
    if _set(api, todo, done=done):
        _tell_of(todo, done=done)
    else:
        st.session_state[key] = not done


def _set(api: Api, todo: Mapping[str, Any], *, done: bool) -> bool:
    st.session_state.todos_skipped = _MOST_SKIPPED
    try:
        api.patch(f"{PATH}/{todo['id']}", {"status": "done" if done else "open"})
    except ApiError as error:
        _tell_of(todo, error=str(error))
        return False
    return True


def _tell_of(todo: Mapping[str, Any], **what: Any) -> None:
    st.session_state.ticked = {**todo, **what, "until": time.monotonic() + _TOLD_SECONDS}


def _show_ticked(api: Api) -> None:
    """What has become of the last box that was clicked, as it is gone from here."""
    ticked: dict[str, Any] | None = st.session_state.get("ticked")
    if ticked is None or time.monotonic() > ticked["until"]:
        return
    if "error" in ticked:
        st.error(f"“{inline(ticked['title'])}” is as it was. {safe(ticked['error'])}")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"“{inline(ticked['title'])}” is {'done' if ticked['done'] else 'open again'}.", width="content"
        )
        st.button(
            "Undo", key="undo", type="tertiary", icon=":material/undo:", on_click=_undo, args=(api, ticked)
        )


def _undo(api: Api, ticked: Mapping[str, Any]) -> None:
    if _set(api, ticked, done=not ticked["done"]):
        st.session_state.pop("ticked", None)
