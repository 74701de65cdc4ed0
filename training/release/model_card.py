"""Generates MODEL_CARD.md: what the model is, how it measured, and what it is not meant for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from training.evaluation.calibration import CalibrationReport, Reliability, ThresholdRow
from training.evaluation.gates import GateResult
from training.evaluation.measurement import Measurement
from training.evaluation.metrics import MEASURES, ConfusionMatrix, LengthRow
from training.loop.resource_monitor import ResourceUsage
from training.release.card_comparisons import baselines, data, groups, worst_errors
from training.release.card_tables import NO_VALUE, properties, share, table, with_interval


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Everything a model card contains.

    `labels` is (negative, positive); `parent` is the version it follows, if any. `training` holds
    the figures and settings of the run. `threshold` is the one the version serves with. The plots
    are file names in the folder of the card.
    """

    model: str
    labels: tuple[str, str]
    parent: str | None
    initial_weights: str
    data: Mapping[str, object]
    architecture: Mapping[str, object]
    training: Mapping[str, object]
    resources: ResourceUsage
    measured: Measurement
    threshold: float
    calibration_plot: str
    curves_plot: str

    def markdown(self) -> str:
        measured = self.measured
        sections = (
            _introduction(self),
            _metrics(measured),
            baselines(measured.baselines),
            groups(measured.groups, measured.compared.model if measured.compared else None),
            _confusion(measured.confusion, self.labels),
            _by_length(measured.by_length),
            worst_errors(measured.worst_errors, self.labels),
            _calibration(measured.calibration, self.calibration_plot),
            _thresholds(measured.calibration.thresholds, self.threshold),
            _serving(measured),
            _gates(measured.gates),
            data(self.data, self.labels),
            _training(self),
            _intended_use(self.labels, measured.calibration.window_rule),
        )
        return "\n".join(line for section in sections for line in section)


def _introduction(card: ModelCard) -> list[str]:
    negative, positive = card.labels
    origin = f"Follows {card.parent}" if card.parent else "First version of this model"
    return [
        f"# {card.model}",
        "",
        f"Classifies a text as `{positive}` (positive) or `{negative}` (negative). "
        f"{origin}; trained from {card.initial_weights}. {_gates_sentence(card.measured.gates)}",
        "",
    ]


def _gates_sentence(results: Sequence[GateResult]) -> str:
    failed = sum(not result.passed for result in results)
    skipped = sum(result.skipped for result in results)
    if not results:
        return "No gates were evaluated."
    if failed:
        return f"**{failed} of {len(results)} gates failed.**"
    return f"All gates passed, {skipped} of them skipped." if skipped else "All gates passed."


def _metrics(measured: Measurement) -> list[str]:
    rows = [
        (
            name,
            with_interval(getattr(measured.int8, name), getattr(measured.int8_intervals, name)),
            with_interval(
                getattr(measured.float32, name), getattr(measured.float32_intervals, name)
            ),
        )
        for name in MEASURES
    ]
    return [
        "## Metrics",
        "",
        f"Measured on {measured.int8.rows} test texts ({measured.int8.positives} positive, "
        "duplicates removed) that no training decision used. 95% intervals in parentheses: Wilson "
        "for shares, bootstrap for the others. Negative recall, balanced accuracy and MCC do not "
        "depend on which class is called positive.",
        "",
        *table(("", "int8, as served", "float32"), rows),
        "A text is positive from probability 0.5 on. By the same rule, "
        f"{measured.parity.changed_decisions:.2%} of decisions change between int8 and float32; "
        f"{measured.parity.changed_reviews:.2%} of texts are left to a person by only one of them, "
        f"and the largest difference in probability is {measured.parity.largest_difference:.4f}.",
        "",
    ]


def _confusion(counts: ConfusionMatrix, labels: tuple[str, str]) -> list[str]:
    negative, positive = labels
    return [
        "### Confusion matrix",
        "",
        *table(
            ("", f"predicted {negative}", f"predicted {positive}"),
            [
                (f"actual {negative}", counts.tn, counts.fp),
                (f"actual {positive}", counts.fn, counts.tp),
            ],
        ),
    ]


def _by_length(rows: Sequence[LengthRow]) -> list[str]:
    header = ("tokens", "texts", "positive", "accuracy", "precision", "recall", "f1")
    return ["### By length", "", *table(header, [_length_cells(row) for row in rows])]


def _length_cells(row: LengthRow) -> tuple[object, ...]:
    counts = row.confusion
    span = f"{row.lower} and more" if row.upper is None else f"{row.lower} to {row.upper}"
    measures = ("accuracy", "precision", "recall", "f1")
    return (
        span,
        counts.rows,
        counts.positives,
        *(share(counts.if_defined(measure)) for measure in measures),
    )


def _calibration(calibration: CalibrationReport, plot: str) -> list[str]:
    splits = (
        ("validation, temperature 1", calibration.validation_before),
        ("validation, calibrated", calibration.validation_after),
        ("test, temperature 1", calibration.test_before),
        ("test, calibrated", calibration.test_after),
    )
    rows = [(name, *_reliability_cells(reliability)) for name, reliability in splits]
    return [
        "## Calibration",
        "",
        f"The temperature is {calibration.temperature:.4f} and the bias {calibration.bias:.4f}, "
        "fitted on the validation split. A bias of 0 means that the labels were no evidence for "
        "one.",
        "",
        *table(("", "texts", "ECE", "Brier score", "log loss"), rows),
        f"![Accuracy by confidence before and after calibration]({plot})",
        "",
    ]


def _reliability_cells(reliability: Reliability) -> tuple[object, ...]:
    return (
        reliability.rows,
        f"{reliability.ece:.4f}",
        f"{reliability.brier:.4f}",
        f"{reliability.log_loss:.4f}",
    )


def _thresholds(rows: Sequence[ThresholdRow], served: float) -> list[str]:
    header = ("threshold", "decided", "for review", "accuracy", "precision", "recall")
    cells = [
        (
            f"**{row.threshold:g}**" if row.threshold == served else f"{row.threshold:g}",
            f"{row.decided:.1%}",
            row.reviews,
            share(row.accuracy),
            share(row.precision),
            share(row.recall),
        )
        for row in rows
    ]
    return [
        "### Thresholds",
        "",
        "Measured on the validation split; accuracy, precision and recall are those of the decided "
        f"texts. The version serves with threshold {served:g}.",
        "",
        *table(header, cells),
    ]


def _serving(measured: Measurement) -> list[str]:
    latency_ms = measured.latency_ms
    sizes = [(name.replace("_", " "), f"{size / 1e6:.1f}") for name, size in measured.sizes.items()]
    return [
        "## Serving",
        "",
        "Milliseconds of processor time per text, on one thread of the machine that trained the "
        "version; the lowest of several rounds:",
        "",
        *table(("tokens", *latency_ms), [("ms", *(f"{ms:.1f}" for ms in latency_ms.values()))]),
        *table(("size", "MB"), sizes),
    ]


def _gates(results: Sequence[GateResult]) -> list[str]:
    rows = [
        (
            f"`{result.name}`",
            NO_VALUE if result.value is None else f"{result.value:.4g}",
            "**failed**" if result.outcome == "failed" else result.outcome,
        )
        for result in results
    ]
    sentences = [result.sentence for result in results if result.outcome != "passed"]
    return [
        "## Gates",
        "",
        *table(("gate", "measured", "result"), rows),
        *(f"- {sentence}" for sentence in sentences),
        *([""] if sentences else []),
    ]


def _training(card: ModelCard) -> list[str]:
    origin: dict[str, object] = {
        "initial weights": card.initial_weights,
        "parent": card.parent or "none",
    }
    return [
        "## Training",
        "",
        f"![Loss and learning rate by step]({card.curves_plot})",
        "",
        *properties(origin | dict(card.training)),
        "### Shape",
        "",
        *properties(card.architecture),
        "### Resources",
        "",
        *properties(_resources(card.resources)),
    ]


def _resources(usage: ResourceUsage) -> dict[str, object]:
    rows: dict[str, object] = {
        "time": _duration(usage.wall_s),
        "CPU time": _duration(usage.cpu_s),
        "peak memory": f"{usage.peak_memory_mb:,.0f} MB",
    }
    if usage.gpu_memory_mb is not None:
        rows["peak GPU memory"] = f"{usage.gpu_memory_mb:,.0f} MB"
    if usage.gpu_utilization is not None:
        rows["mean GPU utilization"] = f"{usage.gpu_utilization:.0%}"
    return rows


def _intended_use(labels: tuple[str, str], window_rule: str) -> list[str]:
    """Return statements that hold for every version, whatever its texts are."""
    negative, positive = labels
    return [
        "## Use and limits",
        "",
        f"Intended for classifying texts as `{negative}` or `{positive}`, with a person reviewing "
        "those below the threshold. Not intended as the sole basis for a decision about a person.",
        "",
        "- The metrics hold for texts like the training texts in language, length and period. For "
        "other texts, watch the drift report and label a sample.",
        "- Confidence is the model's estimate, not evidence that a label is correct. Calibration "
        "holds for texts like those of the validation split.",
        "- Robustness was not tested: an author who tries enough wordings may find one that the "
        "model misclassifies.",
        "- An interval computed from few texts is wide. Rely on the interval, and compare versions "
        "on the same texts.",
        "- A text longer than the model's window is scored in overlapping windows, whose "
        f"probabilities are combined by their {window_rule}.",
        "- A text of which the version cannot read more than half, such as one in a script that "
        "the training texts do not contain, is for review, whatever the confidence.",
        "",
    ]


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"
