"""How an agent does: its turns of the last 30 days."""

from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.history import said_at
from web_ui.markdown import inline, safe

__all__ = ["show_doing"]

_SECOND_MS: Final = 1000


def show_doing(api: Api, agent: Mapping[str, Any]) -> None:
    """Raises NotSignedIn."""
    id_ = agent["agent_id"]
    try:
        found = api.get(f"/api/v1/agents/{id_}/metrics")
        runs = api.get("/api/v1/runs", agent_id=id_, limit=1)["runs"]
    except NotSignedIn:
        raise
    except ApiError as error:
        st.error(safe(str(error)))
        return
    last = f"Last used by you: {said_at(runs[0]['created_at'])}." if runs else "You have not used it yet."
    of = "by everybody who uses it" if found["of"] == "everybody" else "by you"
    st.caption(f"The last 30 days, {of}. {inline(last)}")
    if not found["runs"]:
        st.info("It has answered nothing in this time. Chat with it, and look again.")
        return
    with st.container(horizontal=True):
        for name, value in _figures(found).items():
            st.metric(name, value, width=150)
    for code, count in found["errors"].items():
        st.caption(f"{count} failed: {inline(code)}")


def _figures(found: Mapping[str, Any]) -> dict[str, str]:
    calls, failed = found["tool_calls"], found["failed_tool_calls"]
    figures = {
        "Turns": f"{found['runs']:,}",
        "Completed": f"{found['by_status'].get('completed', 0):,}",
        "Half take at most": _time(found["latency_ms_p50"]),
        "95 % take at most": _time(found["latency_ms_p95"]),
        "Tokens read": f"{found['input_tokens']:,}",
        "Tokens written": f"{found['output_tokens']:,}",
        "Calls of tools": f"{calls:,}" + (f", {failed:,} failed" if failed else ""),
    }
    cost = float(found["cost_usd"])
    return figures | ({"Cost": f"${cost:,.4f}"} if cost else {})


def _time(latency_ms: float | None) -> str:
    if latency_ms is None:
        return "unknown"
    return f"{latency_ms:.0f} ms" if latency_ms < _SECOND_MS else f"{latency_ms / _SECOND_MS:.1f} s"
