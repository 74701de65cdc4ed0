"""The two pictures of a model card: how the training went, and what a confidence is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from scoring.intervals import wilson
from training.evaluation.calibration import Reliability

Points = Sequence[tuple[int, float]]

DPI = 100
# Without the software's version, the same run writes the same bytes.
UNSIGNED = {"Software": None}
SMALLEST = {"optimize": True}
INK, QUIET, GRID = "#1f2933", "#7b8794", "#e4e7eb"
BLUE, ORANGE = "#2563a8", "#d9762b"
DASHES = (0, (4, 3))
# More cannot be told apart on a picture this wide.
MOST_POINTS = 200
# A bin of fewer texts is drawn faint: its accuracy says next to nothing.
FEW_TEXTS = 10


@dataclass(frozen=True, slots=True)
class Curves:
    """(step, value) of the training loss, the validation loss and the learning rate.

    `best_step` is the step whose weights were kept.
    """

    loss: Points
    validation_loss: Points
    rate: Points = field(default_factory=tuple)
    best_step: int | None = None


def training_curves(path: Path, curves: Curves) -> None:
    """Write a PNG: both losses above, the learning rate below, on one axis of steps."""
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    _style(upper, "loss")
    _style(lower, "learning rate")
    upper.plot(*_columns(_thinned(curves.loss)), color=BLUE, lw=1.4, label="training")
    upper.plot(
        *_columns(curves.validation_loss),
        color=ORANGE,
        lw=1.6,
        marker="o",
        ms=4,
        label="validation",
    )
    lower.plot(*_columns(curves.rate), color=QUIET, lw=1.4)
    lower.set_xlabel("step", color=INK)
    lower.set_ylim(bottom=0)
    lower.yaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}"))
    if curves.best_step is not None:
        for axes in (upper, lower):
            axes.axvline(curves.best_step, color=INK, lw=0.9, ls=DASHES)
        upper.plot([], [], color=INK, lw=0.9, ls=DASHES, label="weights kept")
    upper.legend(frameon=False, labelcolor=INK)
    figure.align_ylabels()
    _save(figure, path)


def calibration_plot(path: Path, before: Reliability, after: Reliability) -> None:
    """Write a PNG: accuracy by confidence with 95% intervals, over the number of texts in each."""
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    grid: Any = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=[3, 1])
    columns = (("temperature 1", before, QUIET), ("calibrated", after, BLUE))
    for column, (name, found, color) in enumerate(columns):
        upper, lower = grid[:, column]
        _style(upper, "accuracy" if column == 0 else "")
        _style(lower, "texts" if column == 0 else "")
        upper.set_title(f"{name}: ECE {found.ece:.4f}", color=INK, fontsize=11)
        _reliability(upper, found, color)
        _texts(lower, found, color)
        lower.set_xlabel("confidence", color=INK)
    _save(figure, path)


def _reliability(axes: Axes, found: Reliability, color: str) -> None:
    axes.plot([0.5, 1.0], [0.5, 1.0], color=INK, lw=0.9, ls=DASHES)
    for entry in found.bins:
        around = wilson(round(entry.accuracy * entry.count), entry.count)
        alpha = 1.0 if entry.count >= FEW_TEXTS else 0.3
        axes.plot([entry.confidence] * 2, [around.low, around.high], color=color, alpha=alpha)
        point = ([entry.confidence], [entry.accuracy])
        axes.plot(*point, color=color, alpha=alpha, marker="o", ms=6, clip_on=False)
    axes.set_xlim(0.49, 1.01)
    axes.set_ylim(0.0, 1.0)


def _texts(axes: Axes, found: Reliability, color: str) -> None:
    axes.bar(
        [entry.lower for entry in found.bins],
        [entry.count for entry in found.bins],
        width=[entry.upper - entry.lower for entry in found.bins],
        align="edge",
        color=color,
        edgecolor="white",
        lw=0.6,
    )
    # Nearly all texts are in the last bin, and the others would not be seen beside it.
    axes.set_yscale("log")
    axes.set_ylim(0.7, 2 * found.rows)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))


def _thinned(points: Points) -> Points:
    """Means of neighbours, so that at most MOST_POINTS are left."""
    size = -(-len(points) // MOST_POINTS) or 1
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(group[-1][0], fmean(value for _, value in group)) for group in groups]


def _style(axes: Axes, label: str) -> None:
    axes.set_ylabel(label, color=INK)
    axes.grid(color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=QUIET, labelcolor=INK, labelsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(QUIET)


def _columns(points: Points) -> tuple[list[int], list[float]]:
    return [step for step, _ in points], [value for _, value in points]


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, format="png", dpi=DPI, metadata=UNSIGNED, pil_kwargs=SMALLEST)
