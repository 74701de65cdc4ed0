"""A feature's histograms in the reference and in the window, as a plot for Evidently's pages."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

# The colors of `plumbline.cli.output.png`.
REFERENCE_COLOR, WINDOW_COLOR = "#9db8d8", "#d9762b"
AXIS = {"tickformat": ".0%", "rangemode": "tozero", "title": {"text": "share of texts"}}


def histogram_plot(histogram: Mapping[str, Any]) -> dict[str, Any]:
    """Return Plotly's data and layout for a histogram of `monitoring.drift.histogram`.

    Shares, because a window and a reference of different sizes cannot be compared by counts.
    """
    plot = _bars(histogram) if "labels" in histogram else _steps(histogram)
    layout = {
        "margin": {"l": 65, "r": 20, "t": 40, "b": 40},
        "barmode": "group",
        "bargap": 0.3 if "labels" in histogram else 0.0,
        "yaxis": AXIS,
        "legend": {"orientation": "h", "x": 0.0, "y": 1.0, "yanchor": "bottom"},
    }
    return {"data": plot, "layout": layout}


def _bars(histogram: Mapping[str, Any]) -> list[dict[str, Any]]:
    sides = (("reference", REFERENCE_COLOR), ("window", WINDOW_COLOR))
    return [
        {
            "type": "bar",
            "name": side,
            "x": list(histogram["labels"]),
            "y": list(histogram[side]),
            "marker": {"color": color},
        }
        for side, color in sides
    ]


def _steps(histogram: Mapping[str, Any]) -> list[dict[str, Any]]:
    edges = histogram["edges"]
    window = histogram["window"]
    bars = {
        "type": "bar",
        "name": "reference",
        "x": [(left + right) / 2 for left, right in pairwise(edges)],
        "y": list(histogram["reference"]),
        "width": [right - left for left, right in pairwise(edges)],
        "marker": {"color": REFERENCE_COLOR},
    }
    line = {
        "type": "scatter",
        "name": "window",
        "mode": "lines",
        # A step for each bin, and a last one that closes its right edge.
        "x": list(edges),
        "y": [*window, window[-1]],
        "line": {"shape": "hv", "color": WINDOW_COLOR, "width": 2.5},
    }
    return [bars, line]
