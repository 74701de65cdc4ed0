"""Histograms in the terminal: a feature in the reference and in the recent window."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from plotext import figure, marker
from rich.style import Style
from rich.text import Text
from sqlalchemy import Row

from plumbline_client.visible import one_line

# Lines: two panels, each with a title, a frame, an axis and eight rows of bars.
HEIGHT = 24
MIN_WIDTH = 40
SIDES = (("reference", "cyan"), ("window", "magenta"))


def histograms(value: Row[Any], width: int) -> Text:
    """Draw the reference above the recent window, on the same axes, `width` columns wide.

    Bars are shares of texts, so that a reference and a window of different sizes can be compared.
    """
    shares = {name: list(value.histogram[name]) for name, _ in SIDES}
    highest = max((share for side in shares.values() for share in side), default=0.0) or 1.0
    figure.clear()
    figure.theme("colorless")
    figure.plot_size(max(width, MIN_WIDTH), HEIGHT)
    figure.subplots(len(SIDES), 1)
    for row, (name, color) in enumerate(SIDES, start=1):
        panel = figure.subplot(row, 1)
        panel.title(one_line(f"{value.feature}, {name}"))
        _draw(panel, value.histogram, shares[name], color)
        panel.ruler("y").lim(0.0, highest)
    picture = Text.from_ansi(figure.build().string())
    figure.clear()
    return _without_background(picture)


def _without_background(picture: Text) -> Text:
    """Remove the background, which plotext paints even in its colorless theme."""
    for number, span in enumerate(picture.spans):
        if isinstance(span.style, Style):
            picture.spans[number] = span._replace(style=Style(color=span.style.color))
    return picture


def _draw(panel: Any, histogram: dict[str, Any], shares: Sequence[float], color: str) -> None:
    bar_marker = marker("hd", color)
    if "labels" in histogram:
        labels = [one_line(label) for label in histogram["labels"]]
        panel.draw(panel.bar(labels, shares, marker=bar_marker, width=0.5))
        return
    edges = histogram["edges"]
    middles = [(left + right) / 2 for left, right in pairwise(edges)]
    panel.draw(panel.bar(middles, shares, marker=bar_marker, width=1.0))
    panel.ruler("x").lim(edges[0], edges[-1])
