"""The two plots of a model card: training curves, and accuracy by confidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from scoring.intervals import wilson
from training.evaluation.calibration import Reliability

Points = Sequence[tuple[int, float]]

DPI = 100
# Not the style of a matplotlibrc, which the current folder may contain.
matplotlib.rcdefaults()
# Without the software's version in the file, the same run writes the same bytes.
NO_METADATA = {"Software": None}
SMALLEST_FILE = {"optimize": True}
BLACK, GREY, LIGHT_GREY = "#1f2933", "#7b8794", "#e4e7eb"
BLUE, ORANGE = "#2563a8", "#d9762b"
DASHES = (0, (4, 3))
# More points cannot be distinguished at this width.
MAX_POINTS = 200
# The accuracy of a bin with fewer texts means little, so the bin is drawn faintly.
MIN_TEXTS = 10


@dataclass(frozen=True, slots=True)
class TrainingCurves:
    """Training loss, validation loss and learning rate as (step, value).

    `best_step` is the step whose weights were kept.
    """

    loss: Points
    validation_loss: Points
    rate: Points = field(default_factory=tuple)
    best_step: int | None = None


def plot_training_curves(path: Path, curves: TrainingCurves) -> None:
    """Write a PNG: both losses at the top, the learning rate below, by step."""
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    _style(upper, "loss")
    _style(lower, "learning rate")
    upper.plot(*_columns(_thin(curves.loss)), color=BLUE, lw=1.4, label="training")
    upper.plot(
        *_columns(curves.validation_loss),
        color=ORANGE,
        lw=1.6,
        marker="o",
        ms=4,
        label="validation",
    )
    lower.plot(*_columns(curves.rate), color=GREY, lw=1.4)
    lower.set_xlabel("step", color=BLACK)
    lower.set_ylim(bottom=0)
    lower.yaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}"))
    if curves.best_step is not None:
        for axes in (upper, lower):
            axes.axvline(curves.best_step, color=BLACK, lw=0.9, ls=DASHES)
        upper.plot([], [], color=BLACK, lw=0.9, ls=DASHES, label="weights kept")
    upper.legend(frameon=False, labelcolor=BLACK)
    figure.align_ylabels()
    _save(figure, path)


def plot_calibration(path: Path, before: Reliability, after: Reliability) -> None:
    """Write a PNG: accuracy by confidence with 95% intervals, and the number of texts per bin."""
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    grid: Any = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=[3, 1])
    columns = (("temperature 1", before, GREY), ("calibrated", after, BLUE))
    for column, (name, reliability, color) in enumerate(columns):
        upper, lower = grid[:, column]
        _style(upper, "accuracy" if column == 0 else "")
        _style(lower, "texts" if column == 0 else "")
        upper.set_title(f"{name}: ECE {reliability.ece:.4f}", color=BLACK, fontsize=11)
        _plot_accuracy(upper, reliability, color)
        _plot_counts(lower, reliability, color)
        lower.set_xlabel("confidence", color=BLACK)
    _save(figure, path)


def _plot_accuracy(axes: Axes, reliability: Reliability, color: str) -> None:
    axes.plot([0.5, 1.0], [0.5, 1.0], color=BLACK, lw=0.9, ls=DASHES)
    for entry in reliability.bins:
        interval = wilson(round(entry.accuracy * entry.count), entry.count)
        alpha = 1.0 if entry.count >= MIN_TEXTS else 0.3
        axes.plot([entry.confidence] * 2, [interval.low, interval.high], color=color, alpha=alpha)
        point = ([entry.confidence], [entry.accuracy])
        axes.plot(*point, color=color, alpha=alpha, marker="o", ms=6, clip_on=False)
    axes.set_xlim(0.49, 1.01)
    axes.set_ylim(0.0, 1.0)


def _plot_counts(axes: Axes, reliability: Reliability, color: str) -> None:
    axes.bar(
        [entry.lower for entry in reliability.bins],
        [entry.count for entry in reliability.bins],
        width=[entry.upper - entry.lower for entry in reliability.bins],
        align="edge",
        color=color,
        edgecolor="white",
        lw=0.6,
    )
    # Nearly all texts are in the last bin; on a linear axis the other bins would be invisible.
    axes.set_yscale("log")
    axes.set_ylim(0.7, 2 * reliability.rows)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))


def _thin(points: Points) -> Points:
    """Average neighbouring points, leaving at most MAX_POINTS."""
    size = -(-len(points) // MAX_POINTS) or 1
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(group[-1][0], fmean(value for _, value in group)) for group in groups]


def _style(axes: Axes, label: str) -> None:
    axes.set_ylabel(label, color=BLACK)
    axes.grid(color=LIGHT_GREY, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=GREY, labelcolor=BLACK, labelsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GREY)


def _columns(points: Points) -> tuple[list[int], list[float]]:
    return [step for step, _ in points], [value for _, value in points]


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, format="png", dpi=DPI, metadata=NO_METADATA, pil_kwargs=SMALLEST_FILE)
