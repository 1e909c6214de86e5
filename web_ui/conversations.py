"""The conversations beside the chat: the list, the search, and what can be done with the one that is open."""

import html
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

import streamlit as st

from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.markdown import inline
from web_ui.place import (
    attempt,
    conversation,
    draw_all,
    draw_what_changed,
    go_to,
    leave,
    remembered,
)

__all__ = ["show_conversations", "show_menu"]

_PAGE: Final = 20
_MOST_AT_ONCE: Final = 100
_LONGEST_TITLE: Final = 255
_LONGEST_QUERY: Final = 200
_FORMATS: Final = {"Markdown": "markdown", "JSON": "json"}
_LINK: Final = '<a href="{}" style="color: inherit; display: block; padding: 0.25rem 0">{}</a>'
_UNTITLED: Final = "New conversation"
_ALL: Final = "all"


def show_conversations(api: Api, *, anew: bool) -> None:
    """A list of them, or of what was found. `anew`: ask for it, in place of what was told before."""
    # By itself where no turn is followed, which would keep it waiting.
    (st.fragment(_show_conversations) if anew else _show_conversations)(api, anew=anew)


def _show_conversations(api: Api, *, anew: bool) -> None:
    draw_what_changed()
    wanted = st.text_input(
        "Search conversations",
        key="search",
        placeholder="Search",
        label_visibility="collapsed",
        icon=":material/search:",
        max_chars=_LONGEST_QUERY,
    ).strip()
    try:
        if wanted:
            _show_found(api, wanted)
        else:
            _show_list(api, anew=anew)
    except NotSignedIn as error:
        # What is drawn by itself has no shell around it.
        st.caption(inline(str(error)))


def _show_found(api: Api, wanted: str) -> None:
    try:
        found = api.get("/api/v1/conversations/search", q=wanted, limit=_PAGE)["messages"]
    except ApiError as error:
        st.caption(inline(str(error)))
        return
    if not found:
        st.caption("Nothing was found.")
    for message in found:
        _show_link(message, message["conversation_title"], key=f"found-{message['message_id']}")
        st.caption(inline(html.unescape(re.sub(r"</?mark>", "", message["snippet"]))))


def _show_list(api: Api, *, anew: bool) -> None:
    archived = st.session_state.get("archived", False)
    status = "archived" if archived else "active"
    count = st.session_state.setdefault("listed", _PAGE)
    listed, more = remembered(
        f"conversations {status} {count}", lambda: _listed(api, status, count), ([], False), anew=anew
    )
    for each in listed:
        _show_link(each, each["title"], key=f"open-{each['conversation_id']}")
    if not listed:
        st.caption("No archived conversations." if archived else "No conversations yet.")
    if more:
        st.button("Load more", key="more", width="stretch", on_click=_list_more)
    st.toggle("Archived", key="archived")


def _listed(api: Api, status: str, count: int) -> tuple[list[dict[str, Any]], bool]:
    found: list[dict[str, Any]] = []
    cursor = None
    while len(found) < count:
        limit = min(count - len(found), _MOST_AT_ONCE)
        page = api.get("/api/v1/conversations", status=status, limit=limit, cursor=cursor)
        found += page["conversations"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    return found, cursor is not None


def _list_more() -> None:
    st.session_state.listed += _PAGE


def _show_link(where: Mapping[str, Any], title: str | None, *, key: str) -> None:
    is_here = where["conversation_id"] == conversation()
    st.button(
        inline(title or _UNTITLED),
        key=key,
        type="secondary" if is_here else "tertiary",
        width="stretch",
        on_click=_open,
        args=(where["conversation_id"], where["agent_id"], where.get("message_id")),
    )


def _open(conversation_id: str, agent_id: str | None, message_id: str | None) -> None:
    """On the branch of what was found, if that is where somebody comes from."""
    draw_all()
    go_to(conversation_id, agent_id, message_id)


def show_menu(api: Api, last: str | None, *, is_branched: bool, is_live: bool) -> None:
    """Of the conversation that is open: its name, the archive, files of it, and the end of it.

    `last` is the message that the branch on the page ends with, where there is one.
    """
    open_one = conversation()
    if open_one is not None:
        # By itself, and asked for once it is open; but a turn that is followed would keep it waiting.
        show = _show_menu if is_live else st.fragment(_show_menu)
        show(api, open_one, last, is_branched=is_branched)


def _show_menu(api: Api, open_one: str, last: str | None, *, is_branched: bool) -> None:
    draw_what_changed()
    menu = st.popover(
        "This conversation",
        icon=":material/more_horiz:",
        type="tertiary",
        key=f"menu-{open_one}",
        on_change="rerun",
    )
    if not menu.open:
        st.session_state.pop("sure", None)
        return
    with menu:
        try:
            found: dict[str, Any] = api.get(_path(open_one))
        except ApiError as error:
            st.caption(inline(str(error)))
            return
        st.text_input(
            "Name",
            found["title"] or "",
            key=f"name-{open_one}-{found['title']}",
            max_chars=_LONGEST_TITLE,
            on_change=_rename,
            args=(api, found),
        )
        archived = found["status"] == "archived"
        action, words = ("unarchive", "Take out of the archive") if archived else ("archive", "Archive")
        _button(words, ":material/archive:", "archive", _archive, (api, open_one, action))
        _show_exports(open_one, last or _ALL, is_branched=is_branched)
        if st.session_state.get("sure") == open_one:
            st.caption("All that was said in it goes.")
            _button("Delete it", ":material/delete:", "delete", _delete, (api, open_one))
        else:
            _button("Delete", ":material/delete:", "ask-delete", _ask, (open_one,))


def _ask(open_one: str) -> None:
    st.session_state.sure = open_one


def _show_exports(open_one: str, last: str, *, is_branched: bool) -> None:
    """Of the branch on the page, and of all."""
    ways = {"Export": last, "All branches": _ALL} if is_branched else {"Export": last}
    # Streamlit's own button would hold the whole file in memory.
    st.html("".join(_link(open_one, way, format_, ways[way]) for way in ways for format_ in _FORMATS))


def _link(open_one: str, way: str, format_: str, leaf: str) -> str:
    query = urlencode({"format": _FORMATS[format_], "leaf": leaf})
    href = f"/conversations/{quote(open_one, safe='')}/export?{query}"
    return _LINK.format(html.escape(href), f"{way} as {format_}")


def _button(words: str, icon: str, key: str, action: Any, args: tuple[Any, ...]) -> None:
    st.button(words, key=key, icon=icon, width="stretch", on_click=action, args=args)


def _rename(api: Api, found: Mapping[str, Any]) -> None:
    title = st.session_state[f"name-{found['conversation_id']}-{found['title']}"].strip()
    if title:
        draw_all()
        attempt(lambda: api.patch(_path(found["conversation_id"]), {"title": title}), "It has a new name.")


def _archive(api: Api, conversation_id: str, action: str) -> None:
    draw_all()
    words = "It is in the archive." if action == "archive" else "It is out of the archive."
    attempt(lambda: api.post(f"{_path(conversation_id)}/{action}"), words)


def _delete(api: Api, conversation_id: str) -> None:
    draw_all()
    if attempt(lambda: api.delete(_path(conversation_id)), "The conversation is deleted."):
        leave()


def _path(conversation_id: str) -> str:
    return f"/api/v1/conversations/{quote(conversation_id, safe='')}"
