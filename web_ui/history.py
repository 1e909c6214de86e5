"""What was said before, on the page."""

from collections.abc import Mapping, Sized
from datetime import datetime
from functools import partial
from typing import Any, Final

import streamlit as st

from web_ui.api import Api, ApiError
from web_ui.cards import show_call
from web_ui.clock import clock
from web_ui.markdown import safe
from web_ui.turn import Call, Turn

__all__ = ["AVATARS", "keep_times", "messages_of", "said_at", "show_message"]

AVATARS: Final = {"user": ":material/person:", "assistant": ":material/smart_toy:"}
_PAGE: Final = 500
_FOLLOWED: Final = "times of followed turns"


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


def show_message(
    api: Api, message: Mapping[str, Any], note: str | None = None, *, is_live: bool = False
) -> None:
    """`note`: Markdown about an answer, above it. `is_live`: a turn is followed meanwhile."""
    with st.chat_message(message["role"], avatar=AVATARS[message["role"]]):
        if note and message["role"] == "assistant":
            st.caption(note)
        if message["tool_calls"]:
            # By themselves, as each opens; but a turn that is followed would keep them waiting.
            (_show_calls if is_live else st.fragment(_show_calls))(api, message, is_live=is_live)
        st.markdown(safe(message["content"]))
        ended = {"failed": " · failed before its end", "cancelled": " · stopped"}.get(message["status"], "")
        st.html(f"<small style='opacity: 0.7'>{_stamp(message['created_at'])}{ended}</small>")


def _show_calls(api: Api, message: Mapping[str, Any], *, is_live: bool) -> None:
    """With the times that the turn told, where it was followed in this tab; others are asked for."""
    run_id, made = message["run_id"], message["tool_calls"]
    followed: dict[str, list[float | None]] = st.session_state.get(_FOLLOWED, {})
    times = followed.get(run_id, [])
    is_known = len(times) == len(made)
    for place, call in enumerate(made):
        took = times[place] if is_known else None
        ask = None if is_known or is_live or run_id is None else partial(_asked, api, run_id, made, place)
        told = Call(call["tool"], call["args"], call["result"], call["error"], took, is_over=True)
        show_call(told, f"call-{message['id']}-{place}", ask)


def keep_times(turn: Turn) -> None:
    """Those of the calls of a turn that is over."""
    state = turn.state
    if state.run_id is not None:
        times = [call.latency_ms for call in state.calls.values()]
        st.session_state.setdefault(_FOLLOWED, {})[state.run_id] = times


def _asked(api: Api, run_id: str, made: Sized, place: int) -> float | None:
    """As the steps of the run tell; asked for once a tab."""
    known: dict[str, list[float | None]] = st.session_state.setdefault("latencies", {})
    if run_id not in known:
        try:
            steps = api.get(f"/api/v1/runs/{run_id}/steps")["steps"]
        except ApiError:
            return None
        known[run_id] = [step["latency_ms"] for step in steps if step["kind"] == "tool"]
    return known[run_id][place] if len(known[run_id]) == len(made) else None


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
