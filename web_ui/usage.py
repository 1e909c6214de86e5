"""What one's turns took: tokens, time, money and tools, as plots and as tables."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import streamlit as st

from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.clock import clock
from web_ui.figures import MEASURES, PERIODS, Figures, Line, ask, cost, seconds
from web_ui.logins import Login
from web_ui.markdown import inline, safe
from web_ui.plots import bars, over_time

__all__ = ["show_usage"]

_USUAL: Final = "30 days"
_MUCH: Final = 100_000
_OF_TURNS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "Turns": lambda figure: f"{figure['runs']:,}",
    "Failed": lambda figure: f"{figure['failed_runs']:,}",
    "Tokens read": lambda figure: f"{figure['input_tokens']:,}",
    "Tokens written": lambda figure: f"{figure['output_tokens']:,}",
    "Answer time": lambda figure: seconds(figure["latency_ms_p50"]),
    "Cost": lambda figure: inline(cost(figure)),
}
_OF_CALLS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "Calls": lambda figure: f"{figure['calls']:,}",
    "Failed": lambda figure: f"{figure['failed_calls']:,}",
    "Time": lambda figure: seconds(figure["latency_ms_p50"]),
}
_OF_MOMENTS: Final = {**_OF_TURNS, "Tool calls": _OF_CALLS["Calls"]}


def show_usage(api: Api, _: Login) -> None:
    """Raises NotSignedIn."""
    st.title("Usage", anchor=False)
    period = st.segmented_control(
        "Period", list(PERIODS), default=_USUAL, required=True, key="period", persist_state="session"
    )
    try:
        figures = ask(api, PERIODS[period], clock())
    except NotSignedIn:
        raise
    except ApiError as error:
        st.error(safe(str(error)))
        st.button("Try again", key="once-more", icon=":material/refresh:")
        return
    if not figures.total["runs"]:
        st.info(
            f"There were no turns in the last {period}. Ask something in the chat, and see here what it took."
        )
        return
    _show_total(figures.total)
    by = PERIODS[period].by
    _show_more(figures, by)


@st.fragment
def _show_more(figures: Figures, by: str) -> None:
    """Drawn anew by itself, so that the API is not asked again for what is shown another way."""
    _show_plots(figures, by)
    _show_tables(figures, by)


def _show_total(total: Mapping[str, Any]) -> None:
    numbers = (
        ("Turns", _short(total["runs"])),
        ("Tokens", _short(total["input_tokens"] + total["output_tokens"])),
        ("Answer time", seconds(total["latency_ms_p50"])),
        ("Tool calls", _short(total["calls"])),
        ("Cost", inline(cost(total))),
    )
    with st.container(horizontal=True, gap="medium"):
        for label, value in numbers:
            st.metric(label, value, width="content")
    unpriced = total["unpriced_runs"]
    if unpriced:
        whose = "1 turn was" if unpriced == 1 else f"{unpriced:,} turns were"
        st.caption(f"{whose} answered by models whose price is not known, and not in the cost.")


def _short(number: int) -> str:
    return f"{number:,}" if number < _MUCH else f"{number / 1000:,.0f} k"


def _show_plots(figures: Figures, by: str) -> None:
    name = st.segmented_control(
        "Show", list(MEASURES), default="Tokens", required=True, key="measure", persist_state="session"
    )
    measure = MEASURES[name]
    st.caption(measure.words)
    over_time(f"{name} by {by}", figures.moments, measure)
    of_calls = name == "Tool calls"
    groups = {"tool": figures.tools} if of_calls else {"model": figures.models, "agent": figures.agents}
    for what, lines in groups.items():
        if lines:
            st.subheader(f"By {what}", anchor=False)
            bars(f"{name} by {what}", lines, measure)


def _show_tables(figures: Figures, by: str) -> None:
    folded = st.expander("As tables", key="tables", icon=":material/table:", on_change="rerun")
    if not folded.open:
        return
    with folded:
        busy = [line for line in figures.moments if line.figure["runs"]]
        _show_table(by, busy, _OF_MOMENTS)
        _show_table("model", figures.models, _OF_TURNS)
        _show_table("agent", figures.agents, _OF_TURNS)
        _show_table("tool", figures.tools, _OF_CALLS)


def _show_table(
    what: str, lines: Sequence[Line], columns: Mapping[str, Callable[[Mapping[str, Any]], str]]
) -> None:
    if not lines:
        return
    cells = {what.capitalize(): [inline(line.name) for line in lines]}
    cells |= {title: [told(line.figure) for line in lines] for title, told in columns.items()}
    # Its type names packages that may be missing.
    st.table(  # pyright: ignore[reportUnknownMemberType]
        cells, border="horizontal", hide_index=True, hide_header=False, alt=f"Usage by {what}"
    )
