"""Which agent is open on the page of agents: its address says so."""

from typing import Final

import streamlit as st

__all__ = ["NEW", "close_agent", "open_agent", "open_new", "opened"]

NEW: Final = "new"
_AGENT: Final = "a"


def opened() -> str | None:
    """The id of an agent, or `new`; None: the list. Whether there is such an agent, the API says."""
    return st.query_params.get(_AGENT)


def open_agent(agent_id: str) -> None:
    st.query_params[_AGENT] = agent_id


def open_new() -> None:
    open_agent(NEW)


def close_agent() -> None:
    st.query_params.clear()
