"""Plots of figures, in Vega-Lite, which the page draws without evaluating code.

What others have named is data of a plot, never a part of its specification.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import streamlit as st

from web_ui.figures import Line, Measure

__all__ = ["bars", "over_time"]

# They can be told apart from the ground and from each other, in the light and in the dark.
_COLOURS: Final = ("#4a86c5", "#cf8a2e")
_BAD: Final = "#d0574f"
_TALL: Final = 240
_A_BAR: Final = 32
_ROOM: Final = 50
_WIDEST_NAME: Final = 150
Spec = dict[str, Any]


def over_time(title: str, lines: Sequence[Line], measure: Measure) -> None:
    """How a measure went: bars on each other, or points where a sum would mean nothing."""
    x: Spec = {"field": "name", "type": "ordinal", "sort": None, "title": None}
    x["axis"] = {"labelAngle": 0, "labelOverlap": "greedy", "labelSeparation": 12, "ticks": False}
    y: Spec = {"field": "number", "type": "quantitative", "title": None, "axis": _axis(measure)}
    bar: Spec = {"type": "bar", "cornerRadiusEnd": 1}
    line: Spec = {"type": "line", "point": {"filled": True, "size": 40}, "strokeWidth": 2}
    mark = bar if measure.adds_up else line
    _draw(title, mark, {"x": x, "y": y}, lines, measure, _TALL, {"title": None, "orient": "top"})


def bars(title: str, lines: Sequence[Line], measure: Measure) -> None:
    """A bar for each line, in the colours of the plot over time."""
    y: Spec = {"field": "name", "type": "nominal", "sort": None, "title": None}
    y["axis"] = {"labelLimit": _WIDEST_NAME, "labelOverlap": False, "ticks": False, "domain": False}
    x: Spec = {"field": "number", "type": "quantitative", "title": None, "axis": _axis(measure)}
    mark: Spec = {"type": "bar", "cornerRadiusEnd": 1, "height": {"band": 0.7}}
    _draw(title, mark, {"x": x, "y": y}, lines, measure, len(lines) * _A_BAR + _ROOM)


def _axis(measure: Measure) -> Spec:
    return {"tickCount": 4, "format": measure.ticks}


def _draw(
    title: str,
    mark: Spec,
    places: Spec,
    lines: Sequence[Line],
    measure: Measure,
    height: int,
    legend: Spec | None = None,
) -> None:
    rows = [row for line in lines for row in _rows(line, measure)]
    spec: Spec = {
        "data": {"values": rows},
        "mark": mark,
        "encoding": {
            **places,
            "color": _colour(measure, legend),
            "tooltip": [
                {"field": "name", "title": "Of"},
                {"field": "part", "title": "What"},
                {"field": "told", "title": "How much"},
            ],
        },
        "height": height,
    }
    # Its type names packages that may be missing.
    st.vega_lite_chart(spec, width="stretch", alt=title)  # pyright: ignore[reportUnknownMemberType]


def _colour(measure: Measure, legend: Spec | None) -> Spec:
    names = [series.name for series in measure.series]
    if len(names) == 1:
        return {"value": _COLOURS[0]}
    colours = [_BAD if name == "Failed" else _COLOURS[place] for place, name in enumerate(names)]
    scale = {"domain": names, "range": colours}
    return {"field": "part", "type": "nominal", "sort": None, "scale": scale, "legend": legend}


def _rows(line: Line, measure: Measure) -> list[Mapping[str, Any]]:
    found = ((series.name, series.of(line.figure)) for series in measure.series)
    return [
        {
            "name": line.name,
            "part": part,
            "number": number,
            "told": "" if number is None else measure.told(number),
        }
        for part, number in found
    ]
