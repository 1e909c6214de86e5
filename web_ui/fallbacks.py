"""Who was to answer, and who did instead."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.markdown import inline
from web_ui.turn import Turn

__all__ = ["fallbacks_of", "keep_fallbacks", "told_of"]

_MOST = 100


def told_of(failed: Sequence[str], answers: str) -> str:
    """Markdown for a line about it."""
    names = " and ".join(dict.fromkeys(inline(name) for name in failed))
    return f"{names} did not answer; {inline(answers)} answers instead."


def fallbacks_of(api: Api, conversation_id: str | None) -> Mapping[str | None, str]:
    """Such a line for each of the newest turns that has one, by its run; asked for once a conversation.

    Raises NotSignedIn.
    """
    if conversation_id is None:
        return {}
    if "fallbacks" not in st.session_state:
        try:
            runs: list[dict[str, Any]] = api.get(
                "/api/v1/runs", conversation_id=conversation_id, limit=_MOST
            )["runs"]
        except NotSignedIn:
            raise
        except ApiError:
            return {}
        st.session_state.fallbacks = {
            run["id"]: told_of([each["provider"] for each in run["fallbacks"]], run["provider"])
            for run in runs
            if run["fallbacks"] and run["provider"]
        }
    return st.session_state.fallbacks


def keep_fallbacks(turn: Turn) -> None:
    """Those of a turn that is over."""
    state = turn.state
    if state.failed:
        st.session_state.setdefault("fallbacks", {})[state.run_id] = told_of(state.failed, state.answers)
