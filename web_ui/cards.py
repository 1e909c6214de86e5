"""Tool calls as cards that open and close, and the questions about them."""

import json
import re
from collections.abc import Callable
from typing import Any, Final

import streamlit as st

from web_ui.api import ApiError
from web_ui.markdown import inline
from web_ui.turn import Call, Question, Turn

__all__ = ["show_call", "show_question"]

_LONGEST: Final = 20_000
_SECOND_MS: Final = 1000
# What is not seen, and what turns the order of the letters round it.
_UNSEEN: Final = re.compile("[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]")
_QUESTIONS: Final = {
    "approval": "The assistant wants to call",
    "interrupted": "This call was interrupted and may have happened. Make it again?",
}


def show_call(call: Call, key: str | None = None, ask: Callable[[], float | None] | None = None) -> None:
    """A card: name and time on it, arguments and result in it.

    `ask`: how many ms it took, to be told in a card of this `key` once that is opened.
    """
    card = st.expander(_title(call), icon=_icon(call), key=key, on_change="rerun" if ask else "ignore")
    with card:
        # Not on it: a card with another title is another one to Streamlit, and closed.
        took = ask() if ask is not None and card.open else None
        if took is not None:
            st.caption(f"Took {_told(took)}")
        st.caption("Arguments")
        st.code(_json(call.arguments), language="json", wrap_lines=True)
        if call.error is not None:
            st.caption("Error")
            st.code(_cut(call.error), language=None, wrap_lines=True)
        elif call.is_over:
            st.caption("Result")
            text = isinstance(call.result, str)
            shown = _cut(call.result) if text else _json(call.result)
            st.code(shown, language=None if text else "json", wrap_lines=True)


def _icon(call: Call) -> str:
    if not call.is_over:
        return ":material/hourglass_top:"
    return ":material/error:" if call.error is not None else ":material/build:"


def _title(call: Call) -> str:
    if not call.is_over:
        return f"{inline(call.name)} · running"
    if call.error is not None:
        return f"{inline(call.name)} · failed{_time(call.latency_ms)}"
    return f"{inline(call.name)}{_time(call.latency_ms)}"


def _time(latency_ms: float | None) -> str:
    return "" if latency_ms is None else f" · {_told(latency_ms)}"


def _told(latency_ms: float) -> str:
    return f"{latency_ms:.0f} ms" if latency_ms < _SECOND_MS else f"{latency_ms / _SECOND_MS:.1f} s"


def _json(value: Any) -> str:
    return _cut(_whole(value))


def _whole(value: Any) -> str:
    """As JSON, which is the same however its characters are written."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return _UNSEEN.sub(lambda found: json.dumps(found[0])[1:-1], text)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\n… {len(text) - _LONGEST} characters more"


def show_question(turn: Turn, question: Question) -> None:
    """What the assistant wants to do, with its arguments to be changed, and the decision."""
    # Two conversations may wait at the same number, one after the other in this tab.
    place = f"{turn.state.run_id}-{question.seq}"
    field = f"arguments-{place}"
    with st.container(border=True):
        st.markdown(
            f"{_QUESTIONS.get(question.reason or '', _QUESTIONS['approval'])} **{inline(question.name)}**"
        )
        # Whole, as what is in the field is what is approved.
        st.text_area("Arguments, as JSON", _whole(question.arguments), key=field)
        approve, reject = st.columns(2)
        approve.button(
            "Approve",
            key=f"approve-{place}",
            type="primary",
            width="stretch",
            on_click=_approve,
            args=(turn, question, field),
        )
        reject.button(
            "Reject", key=f"reject-{place}", width="stretch", on_click=_reject, args=(turn, question)
        )


def _approve(turn: Turn, question: Question, field: str) -> None:
    try:
        arguments: Any = json.loads(st.session_state[field])
    except ValueError:
        st.session_state.notice = "The arguments are not JSON any more. Nothing was called."
        return
    if not isinstance(arguments, dict):
        st.session_state.notice = "The arguments have to be a JSON object. Nothing was called."
        return
    decision: dict[str, Any] = {"decision": "approve"}
    if arguments != question.arguments:
        decision["arguments"] = arguments
    _decide(turn, question, decision)


def _reject(turn: Turn, question: Question) -> None:
    _decide(turn, question, {"decision": "reject"})


def _decide(turn: Turn, question: Question, decision: dict[str, Any]) -> None:
    try:
        turn.decide(question, decision)
    except ApiError as error:
        st.session_state.notice = str(error)
