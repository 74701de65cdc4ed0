"""Pictures in the terminal: what a feature looked like in training, and what it looks like now."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from rich.style import Style
from rich.text import Text

if TYPE_CHECKING:
    from storage.tables import DriftValue

# Two panels of a title, a frame, an axis and eight rows of bars.
HEIGHT = 24
NARROWEST = 40
SIDES = (("reference", "cyan"), ("window", "magenta"))


def histograms(value: DriftValue, width: int) -> Text:
    """The reference above the recent window, on the same axes, `width` columns wide.

    Bars are shares of the texts, so that sides of different size can be compared.
    """
    from plotext import figure

    shares = {name: list(value.histogram[name]) for name, _ in SIDES}
    highest = max((share for side in shares.values() for share in side), default=0.0) or 1.0
    figure.clear()
    figure.theme("colorless")
    figure.plot_size(max(width, NARROWEST), HEIGHT)
    figure.subplots(len(SIDES), 1)
    for row, (name, color) in enumerate(SIDES, start=1):
        panel = figure.subplot(row, 1)
        panel.title(f"{value.feature}, {name}")
        _draw(panel, value.histogram, shares[name], color)
        panel.ruler("y").lim(0.0, highest)
    picture = Text.from_ansi(figure.build().string())
    figure.clear()
    return _on_the_terminals_own_ground(picture)


def _on_the_terminals_own_ground(picture: Text) -> Text:
    """Without the background plotext paints even in its colourless theme."""
    for number, span in enumerate(picture.spans):
        if isinstance(span.style, Style):
            picture.spans[number] = span._replace(style=Style(color=span.style.color))
    return picture


def _draw(panel: Any, histogram: dict[str, Any], shares: Sequence[float], color: str) -> None:
    from plotext import marker

    look = marker("hd", color)
    if "labels" in histogram:
        panel.draw(panel.bar(histogram["labels"], shares, marker=look, width=0.5))
        return
    edges = histogram["edges"]
    middles = [(left + right) / 2 for left, right in pairwise(edges)]
    panel.draw(panel.bar(middles, shares, marker=look, width=1.0))
    panel.ruler("x").lim(edges[0], edges[-1])
