"""What was said before, on the page."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import streamlit as st

from web_ui.api import Api, ApiError
from web_ui.cards import show_call
from web_ui.clock import clock
from web_ui.markdown import safe
from web_ui.turn import Call

__all__ = ["AVATARS", "messages_of", "said_at", "show_message"]

AVATARS: Final = {"user": ":material/person:", "assistant": ":material/smart_toy:"}
_PAGE: Final = 500


def messages_of(
    api: Api, conversation_id: str, count: int, *, leaf: str | None = None
) -> tuple[list[dict[str, Any]], bool]:
    """The newest `count` messages of a conversation, or a few more, oldest first; whether there are others.

    Of the branch of the message `leaf`, to its newest end, or of the newest message. Raises ApiError.
    """
    found: list[dict[str, Any]] = []
    cursor = None
    while len(found) < count:
        path = f"/api/v1/conversations/{conversation_id}/messages"
        page = api.get(
            path,
            order="desc",
            leaf=leaf or "newest",
            onward=leaf and True,
            limit=min(count, _PAGE),
            cursor=cursor,
        )
        found += page["messages"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    return found[::-1], cursor is not None


def show_message(api: Api, message: Mapping[str, Any], note: str | None = None) -> None:
    """`note`: Markdown about an answer, above it."""
    with st.chat_message(message["role"], avatar=AVATARS[message["role"]]):
        if note and message["role"] == "assistant":
            st.caption(note)
        if message["tool_calls"]:
            for call in _calls_of(api, message):
                show_call(call)
        st.markdown(safe(message["content"]))
        ended = {"failed": " · failed before its end", "cancelled": " · stopped"}.get(message["status"], "")
        st.html(f"<small style='opacity: 0.7'>{_stamp(message['created_at'])}{ended}</small>")


def _calls_of(api: Api, message: Mapping[str, Any]) -> list[Call]:
    """The calls of an answer, with the times that the run's steps tell."""
    times = _latencies(api, message["run_id"]) if message["run_id"] else []
    made = message["tool_calls"]
    times = times if len(times) == len(made) else [None] * len(made)
    return [
        Call(call["tool"], call["args"], call["result"], call["error"], latency, is_over=True)
        for call, latency in zip(made, times, strict=True)
    ]


def _latencies(api: Api, run_id: str) -> list[float | None]:
    """Of each tool call of a run that is over; asked for once a tab."""
    known: dict[str, list[float | None]] = st.session_state.setdefault("latencies", {})
    if run_id not in known:
        try:
            steps = api.get(f"/api/v1/runs/{run_id}/steps")["steps"]
        except ApiError:
            return []
        known[run_id] = [step["latency_ms"] for step in steps if step["kind"] == "tool"]
    return known[run_id]


def said_at(moment: str) -> str:
    """A time as its reader's clock shows it."""
    then = _local(moment)
    today = datetime.now(then.tzinfo).date() == then.date()
    return f"{then:%H:%M}" if today else f"{then:%d %b %Y, %H:%M}"


def _stamp(moment: str) -> str:
    """The same as HTML that has the whole date in its title."""
    then = _local(moment)
    title = f"{then:%A, %d %B %Y, %H:%M:%S}"
    return f"<time datetime='{then.isoformat()}' title='{title}'>{said_at(moment)}</time>"


def _local(moment: str) -> datetime:
    return datetime.fromisoformat(moment).astimezone(clock())
