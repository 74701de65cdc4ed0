"""A drift report as a picture: each feature's histogram in the reference and in the window."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.cli.extras import extra_needed
from plumbline.cli.output.console import shown
from plumbline.errors import FileUnwritable

if TYPE_CHECKING:
    from datetime import datetime

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from storage.tables import DriftReport, DriftValue

# Inches, and twice the dots of a usual screen, so that it stays sharp when enlarged.
WIDTH, ROW_HEIGHT, HEAD_HEIGHT = 4.2, 2.9, 0.75
NARROWEST = 6.4
PADDING = 0.1
DPI = 200
# Close to those of a model card's pictures.
INK, QUIET, GRID = "#1f2933", "#7b8794", "#e4e7eb"
BLUE, ORANGE, RED = "#9db8d8", "#d9762b", "#c0392b"
# Without the software's version the same report writes the same bytes.
UNSIGNED = {"Software": None}
BAR_WIDTH = 0.38
# More names than this under the bars would run into each other.
MOST_LEVEL = 4


def save(report: DriftReport, values: Sequence[DriftValue], path: Path) -> None:
    """Write the PNG whole or not at all. Raises ExtraMissing, FileUnwritable."""
    with extra_needed("A PNG", "monitoring"):
        drawn = figure(report, values)
    part = path.with_name(path.name + ".part")
    try:
        with warnings.catch_warnings():
            # A source's name in a script the font lacks: boxes stand for its letters.
            warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
            drawn.savefig(part, format="png", dpi=DPI, metadata=UNSIGNED, facecolor="white")
        part.replace(path)
    except OSError as error:
        raise FileUnwritable(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            part.unlink()


def figure(report: DriftReport, values: Sequence[DriftValue]) -> Figure:
    """A panel for each value, which must have a histogram, in up to three columns."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = 1 if len(values) == 1 else 2 if len(values) in (2, 4) else 3
    rows = math.ceil(len(values) / columns)
    width = max(WIDTH * columns, NARROWEST)
    layout = ConstrainedLayoutEngine(h_pad=PADDING, w_pad=PADDING)
    drawn = Figure(figsize=(width, ROW_HEIGHT * rows + HEAD_HEIGHT), layout=layout)
    panels = list(drawn.subplots(rows, columns, squeeze=False).flat)
    for axes, value in zip(panels, values, strict=False):
        _panel(axes, value)
    for axes in panels[len(values) :]:
        axes.set_axis_off()
    _head(drawn, report)
    return drawn


def _head(drawn: Figure, report: DriftReport) -> None:
    from matplotlib.patches import Patch

    legend = drawn.legend(
        title=f"Drift report {report.id} of {report.model}: {report.verdict.replace('_', ' ')}",
        handles=[Patch(color=BLUE), Patch(facecolor="none", edgecolor=ORANGE, lw=1.8)],
        labels=[reference_told(report), window_told(report)],
        loc="outside upper left",
        alignment="left",
        title_fontproperties={"weight": "bold", "size": 12},
        fontsize=9,
        frameon=False,
        labelcolor=INK,
    )
    legend.get_title().set_color(INK)


def reference_told(report: DriftReport) -> str:
    if report.reference == "profile":
        return f"reference: {report.reference_rows:,} texts of training"
    span = _span(report.reference_from, report.reference_to)
    return f"reference: {report.reference_rows:,} texts of an earlier window{span}"


def window_told(report: DriftReport) -> str:
    whose = f" of {_plain(report.source)}" if report.source else ""
    span = _span(report.window_from, report.window_to)
    return f"window: {report.window_rows:,} texts{whose}{span}"


def _span(begin: datetime | None, end: datetime | None) -> str:
    return f", {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC" if begin and end else ""


def _plain(text: str) -> str:
    # Matplotlib takes what stands between two dollar signs for mathematics.
    return shown(text).plain.replace("$", r"\$")


def _panel(axes: Axes, value: DriftValue) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_title(value.feature, loc="left", color=INK, fontsize=10.5, fontweight="bold", pad=19)
    told = f"{value.value:.2f} standard errors, drifts above {value.threshold:.2f}"
    color = RED if value.drifted else QUIET
    axes.text(0, 1.03, told, transform=axes.transAxes, color=color, fontsize=8.5)
    if "labels" in value.histogram:
        _bars(axes, value.histogram)
    else:
        _steps(axes, value.histogram)
    axes.set_ylabel("share of texts", color=QUIET, fontsize=8.5)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}%"))
    axes.grid(axis="y", color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=QUIET, labelsize=8.5, length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GRID)


def _steps(axes: Axes, histogram: dict[str, Any]) -> None:
    edges = histogram["edges"]
    axes.stairs(histogram["reference"], edges, fill=True, color=BLUE, lw=0)
    axes.stairs(histogram["window"], edges, color=ORANGE, lw=1.8)
    axes.set_xlim(edges[0], edges[-1])


def _bars(axes: Axes, histogram: dict[str, Any]) -> None:
    labels = histogram["labels"]
    left = [place - BAR_WIDTH / 2 for place in range(len(labels))]
    right = [place + BAR_WIDTH / 2 for place in range(len(labels))]
    axes.bar(left, histogram["reference"], BAR_WIDTH * 0.94, color=BLUE)
    axes.bar(right, histogram["window"], BAR_WIDTH * 0.94, fill=False, edgecolor=ORANGE, lw=1.8)
    many = len(labels) > MOST_LEVEL
    axes.set_xticks(
        range(len(labels)),
        [_plain(label) for label in labels],
        rotation=30 if many else 0,
        ha="right" if many else "center",
    )
