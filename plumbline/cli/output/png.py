"""A drift report as a picture: each feature's histograms in the reference and in the window."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row

from plumbline.atomic_file import replacing, translate_write_errors
from plumbline.cli.extras import extra_needed
from plumbline.cli.output.console import printable_text
from plumbline.cli.output.reference_name import reference_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches.
PANEL_WIDTH, PANEL_HEIGHT, LEGEND_HEIGHT = 4.2, 2.9, 0.75
MIN_WIDTH = 6.4
PADDING = 0.1
# Twice that of a usual screen, so that the picture stays sharp when it is enlarged.
DPI = 200
# Close to the colors of a model card's pictures.
INK, GRAY, GRID = "#1f2933", "#7b8794", "#e4e7eb"
BLUE, ORANGE, RED = "#9db8d8", "#d9762b", "#c0392b"
# Without the version of Matplotlib, the same report always produces the same bytes.
METADATA = {"Software": None}
BAR_WIDTH = 0.38
# More horizontal labels than this would overlap.
MAX_HORIZONTAL_LABELS = 4


def save_png(report: Row[Any], values: Sequence[Row[Any]], path: Path) -> None:
    """Write the PNG whole or not at all. Raises ExtraMissing, FileUnwritable."""
    # The user's backend is for windows, and matplotlib fails if it cannot be imported.
    os.environ["MPLBACKEND"] = "agg"
    with extra_needed("A PNG", "monitoring"):
        picture = report_figure(report, values)
    with (
        translate_write_errors(path),
        replacing(path) as partial,
        warnings.catch_warnings(),
    ):
        # Matplotlib draws boxes for a source name in a script that its font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        picture.savefig(partial, format="png", dpi=DPI, metadata=METADATA, facecolor="white")


def report_figure(report: Row[Any], values: Sequence[Row[Any]]) -> Figure:
    """Draw one panel per value, in up to three columns. Each value must have a histogram."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    # Not the style of a matplotlibrc, which the current folder may contain.
    matplotlib.rcdefaults()
    columns = 1 if len(values) == 1 else 2 if len(values) in (2, 4) else 3
    rows = math.ceil(len(values) / columns)
    size = (max(PANEL_WIDTH * columns, MIN_WIDTH), PANEL_HEIGHT * rows + LEGEND_HEIGHT)
    layout = ConstrainedLayoutEngine(h_pad=PADDING, w_pad=PADDING)
    figure = Figure(figsize=size, layout=layout)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, value in zip(panels, values, strict=False):
        _draw_panel(axes, value)
    for axes in panels[len(values) :]:
        axes.set_axis_off()
    _draw_legend(figure, report)
    return figure


def _draw_legend(figure: Figure, report: Row[Any]) -> None:
    from matplotlib.patches import Patch

    legend = figure.legend(
        title=f"Drift report {report.id} of {report.model}: {report.verdict.replace('_', ' ')}",
        handles=[Patch(color=BLUE), Patch(facecolor="none", edgecolor=ORANGE, lw=1.8)],
        labels=[reference_label(report), window_label(report)],
        loc="outside upper left",
        alignment="left",
        title_fontproperties={"weight": "bold", "size": 12},
        fontsize=9,
        frameon=False,
        labelcolor=INK,
    )
    legend.get_title().set_color(INK)


def reference_label(report: Row[Any]) -> str:
    period = _format_period(report.reference_from, report.reference_to)
    return f"reference: {report.reference_rows:,} {reference_name(report)}{period}"


def window_label(report: Row[Any]) -> str:
    source = f" from {_escape(report.source)}" if report.source else ""
    period = _format_period(report.window_from, report.window_to)
    return f"window: {report.window_rows:,} texts{source}{period}"


def _format_period(begin: datetime | None, end: datetime | None) -> str:
    return f", {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC" if begin and end else ""


def _escape(text: str) -> str:
    # Matplotlib typesets text between two dollar signs as mathematics.
    return printable_text(text).plain.replace("$", r"\$")


def _draw_panel(axes: Axes, value: Row[Any]) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_title(value.feature, loc="left", color=INK, fontsize=10.5, fontweight="bold", pad=19)
    score = f"{value.value:.2f} standard errors, threshold {value.threshold:.2f}"
    color = RED if value.drifted else GRAY
    axes.text(0, 1.03, score, transform=axes.transAxes, color=color, fontsize=8.5)
    if "labels" in value.histogram:
        _draw_bars(axes, value.histogram)
    else:
        _draw_steps(axes, value.histogram)
    axes.set_ylabel("share of texts", color=GRAY, fontsize=8.5)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}%"))
    axes.grid(axis="y", color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=GRAY, labelsize=8.5, length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GRID)


def _draw_steps(axes: Axes, histogram: dict[str, Any]) -> None:
    edges = histogram["edges"]
    axes.stairs(histogram["reference"], edges, fill=True, color=BLUE, lw=0)
    axes.stairs(histogram["window"], edges, color=ORANGE, lw=1.8)
    axes.set_xlim(edges[0], edges[-1])


def _draw_bars(axes: Axes, histogram: dict[str, Any]) -> None:
    labels = histogram["labels"]
    left = [position - BAR_WIDTH / 2 for position in range(len(labels))]
    right = [position + BAR_WIDTH / 2 for position in range(len(labels))]
    axes.bar(left, histogram["reference"], BAR_WIDTH * 0.94, color=BLUE)
    axes.bar(right, histogram["window"], BAR_WIDTH * 0.94, fill=False, edgecolor=ORANGE, lw=1.8)
    rotated = len(labels) > MAX_HORIZONTAL_LABELS
    axes.set_xticks(
        range(len(labels)),
        [_escape(label) for label in labels],
        rotation=30 if rotated else 0,
        ha="right" if rotated else "center",
    )
