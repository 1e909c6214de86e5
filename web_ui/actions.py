"""What can be done with what was said: copy and rate it, have it answered anew, say it otherwise."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import streamlit as st

from web_ui.api import Api
from web_ui.choosing import chosen
from web_ui.copying import copy_button
from web_ui.place import attempt, conversation, draw_all, draw_what_changed, tell
from web_ui.turn import Asked, Turn

__all__ = ["Begin", "show_actions"]

Begin = Callable[[Asked], None]
_RATINGS: Final = ("down", "up")
_LONGEST_MESSAGE: Final = 100_000
_LONGEST_COMMENT: Final = 4000


# By themselves, so that to open an editor or to rate an answer does not draw the whole page anew.
@st.fragment
def show_actions(api: Api, message: dict[str, Any], begin: Begin, *, is_last: bool) -> None:
    """Under an answer: thumbs; under the last: another one. Under a message: an editor. Under both: Copy."""
    turn: Turn | None = st.session_state.get("turn")
    if turn is not None and turn.state.outcome is None:
        draw_all()
    draw_what_changed()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if message["role"] == "user":
            _show_editor(message, begin)
        else:
            _show_thumbs(api, message)
            if is_last:
                _button("Regenerate", ":material/refresh:", "regenerate", _ask_again, (message, begin))
        if message["content"]:
            copy_button(message["content"], key=f"copy-{message['id']}")
        _show_siblings(message)


def _button(words: str, icon: str, key: str, action: Any, args: tuple[Any, ...], **more: Any) -> None:
    st.button(words, key=key, icon=icon, type="tertiary", on_click=action, args=args, **more)


def _show_thumbs(api: Api, message: dict[str, Any]) -> None:
    key, words = f"rate-{message['id']}", f"why-{message['id']}"
    rating: str | None = message["rating"]
    default = None if rating is None else _RATINGS.index(rating)
    st.feedback("thumbs", key=key, default=default, on_change=_rate, args=(api, message, key))
    if rating is not None:
        with st.popover("Say why", icon=":material/add_comment:", type="tertiary", key=f"open-{words}"):
            comment = message["comment"] or ""
            st.text_area("What was good or bad about it", comment, key=words, max_chars=_LONGEST_COMMENT)
            st.button("Keep", key=f"keep-{words}", on_click=_comment, args=(api, message, words))


def _rate(api: Api, message: dict[str, Any], key: str) -> None:
    value: int | None = st.session_state[key]
    if value is not None:
        _think(api, message, {"rating": _RATINGS[value], "comment": message["comment"]}, "")
    elif attempt(lambda: api.delete(_feedback(message)), ""):
        message.update(rating=None, comment=None)


def _comment(api: Api, message: dict[str, Any], words: str) -> None:
    comment = st.session_state[words].strip() or None
    _think(api, message, {"rating": message["rating"], "comment": comment}, "Your words are kept.")


def _think(api: Api, message: dict[str, Any], what: dict[str, Any], words: str) -> None:
    """Also what the page has of it is changed, as it is not asked for anew."""
    if attempt(lambda: api.put(_feedback(message), what), words):
        message.update(what)


def _feedback(message: Mapping[str, Any]) -> str:
    return f"/api/v1/conversations/{conversation()}/messages/{message['id']}/feedback"


def _ask_again(message: Mapping[str, Any], begin: Begin) -> None:
    path = f"/api/v1/conversations/{conversation()}/messages/{message['id']}/regenerate"
    begin(Asked(path, chosen(), conversation(), instead_of=message["id"]))


def _show_siblings(message: Mapping[str, Any]) -> None:
    """The other answers to the same message, or what was said in other words."""
    siblings: list[str] = message["siblings"]
    if len(siblings) < 2 or message["id"] not in siblings:  # noqa: PLR2004
        return
    place = siblings.index(message["id"])
    with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
        _show_way(siblings, place - 1, "Before", ":material/chevron_left:", message["id"])
        st.caption(f"{place + 1} of {len(siblings)}", width="content")
        _show_way(siblings, place + 1, "After", ":material/chevron_right:", message["id"])


def _show_way(siblings: list[str], place: int, words: str, icon: str, here: str) -> None:
    is_there = 0 <= place < len(siblings)
    there = siblings[place] if is_there else here
    _button(words, icon, f"{words}-{here}", _look_at, (there,), disabled=not is_there)


def _look_at(message_id: str) -> None:
    st.session_state.leaf = message_id
    draw_all()


def _show_editor(message: Mapping[str, Any], begin: Begin) -> None:
    """Its text is on the page once it is open; what was typed lasts when it is closed."""
    field = f"edit-{message['id']}"
    drafts: dict[str, str] = st.session_state.setdefault("drafts", {})
    if field in st.session_state:
        drafts[field] = st.session_state[field]
    editor = st.popover(
        "Edit", icon=":material/edit:", type="tertiary", key=f"editor-{message['id']}", on_change="rerun"
    )
    if not editor.open:
        return
    with editor:
        text = drafts.get(field, message["content"])
        st.text_area("Say instead", text, key=field, max_chars=_LONGEST_MESSAGE)
        key = f"send-{message['id']}"
        st.button("Send", key=key, type="primary", on_click=_edit, args=(message, field, begin))


def _edit(message: Mapping[str, Any], field: str, begin: Begin) -> None:
    text = st.session_state[field]
    if not text.strip():
        tell("There was nothing to send.")
        return
    st.session_state.drafts.pop(field, None)
    path = f"/api/v1/conversations/{conversation()}/messages/{message['id']}/edit"
    begin(Asked(path, {"message": text, **chosen()}, conversation(), instead_of=message["id"]))
