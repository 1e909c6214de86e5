"""The conversations beside the chat: the list, the search, and what can be done with the one that is open."""

import html
import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import streamlit as st

from web_ui.api import Api, ApiError
from web_ui.history import messages_of
from web_ui.markdown import inline
from web_ui.place import attempt, conversation, go_to, leave, remembered

__all__ = ["show_conversations", "show_menu"]

_PAGE: Final = 20
_LONGEST_TITLE: Final = 255
_LONGEST_QUERY: Final = 200
_ALL: Final = 100_000
_UNTITLED: Final = "New conversation"


def show_conversations(api: Api, *, anew: bool) -> None:
    """A list of them, or of what was found. `anew`: ask for it, in place of what was told before."""
    wanted = st.text_input(
        "Search conversations",
        key="search",
        placeholder="Search",
        label_visibility="collapsed",
        icon=":material/search:",
        max_chars=_LONGEST_QUERY,
    ).strip()
    if wanted:
        _show_found(api, wanted)
    else:
        _show_list(api, anew=anew)


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
        page = api.get("/api/v1/conversations", status=status, limit=_PAGE, cursor=cursor)
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
        on_click=go_to,
        args=(where["conversation_id"], where["agent_id"]),
    )


def show_menu(api: Api, *, anew: bool) -> None:
    """Of the conversation that is open: its name, the archive, files of it, and the end of it."""
    open_one = conversation()
    if open_one is None:
        return
    found: dict[str, Any] | None = remembered(
        f"conversation {open_one}", lambda: api.get(_path(open_one)), None, anew=anew
    )
    if found is None:
        return
    with st.popover("This conversation", icon=":material/more_horiz:", type="tertiary", key="menu"):
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
        for kind, media_type, make in (
            ("Markdown", "text/markdown", _as_markdown),
            ("JSON", "application/json", _as_json),
        ):
            st.download_button(
                f"Export as {kind}",
                data=lambda make=make: make(api, found),
                file_name=f"conversation.{'md' if kind == 'Markdown' else 'json'}",
                mime=media_type,
                key=f"export-{kind}",
                icon=":material/download:",
                on_click="ignore",
                width="stretch",
            )
        _button("Delete", ":material/delete:", "delete", _delete, (api, open_one))


def _button(words: str, icon: str, key: str, action: Any, args: tuple[Any, ...]) -> None:
    st.button(words, key=key, icon=icon, width="stretch", on_click=action, args=args)


def _rename(api: Api, found: Mapping[str, Any]) -> None:
    title = st.session_state[f"name-{found['conversation_id']}-{found['title']}"].strip()
    if title:
        attempt(lambda: api.patch(_path(found["conversation_id"]), {"title": title}), "It has a new name.")


def _archive(api: Api, conversation_id: str, action: str) -> None:
    words = "It is in the archive." if action == "archive" else "It is out of the archive."
    attempt(lambda: api.post(f"{_path(conversation_id)}/{action}"), words)


def _delete(api: Api, conversation_id: str) -> None:
    if attempt(lambda: api.delete(_path(conversation_id)), "The conversation is deleted."):
        leave()


def _path(conversation_id: str) -> str:
    return f"/api/v1/conversations/{quote(conversation_id, safe='')}"


def _as_json(api: Api, found: Mapping[str, Any]) -> bytes:
    messages, _ = messages_of(api, found["conversation_id"], _ALL)
    return json.dumps({"conversation": found, "messages": messages}, ensure_ascii=False, indent=2).encode()


def _as_markdown(api: Api, found: Mapping[str, Any]) -> bytes:
    messages, _ = messages_of(api, found["conversation_id"], _ALL)
    said = [
        f"## {message['role'].capitalize()}, {message['created_at']}\n\n{message['content']}\n"
        for message in messages
    ]
    return "\n".join([f"# {inline(found['title'] or _UNTITLED)}\n", *said]).encode()
