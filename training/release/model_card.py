"""MODEL_CARD.md, generated: what the model is, what it was measured to do, what it is not for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scoring.intervals import Interval
from training.evaluation.calibration import Calibration, Reliability, ThresholdRow
from training.evaluation.gates import GateResult
from training.evaluation.intervals import Intervals
from training.evaluation.metrics import Confusion, LengthRow, Metrics, Parity
from training.loop.resources import ResourceUsage

NAMES = ("accuracy", "precision", "recall", "f1", "auc")
NOTHING = "–"


@dataclass(frozen=True, slots=True)
class CardFacts:
    """Everything a card tells. Measures are of the test split unless they say otherwise.

    `labels` is (negative, positive), `start` where the weights began, `parent` the version it
    follows, if any. `training` holds outcome and settings. `threshold` is the one served with.
    `latency_ms` is by token count, `sizes` in bytes. The plots are file names beside the card.
    """

    model: str
    labels: tuple[str, str]
    parent: str | None
    start: str
    data: Mapping[str, object]
    architecture: Mapping[str, object]
    training: Mapping[str, object]
    resources: ResourceUsage
    int8: Metrics
    int8_intervals: Intervals
    float32: Metrics
    float32_intervals: Intervals
    confusion: Confusion
    by_length: Sequence[LengthRow]
    parity: Parity
    calibration: Calibration
    threshold: float
    gates: Sequence[GateResult]
    latency_ms: Mapping[int, float]
    sizes: Mapping[str, int]
    calibration_plot: str
    curves_plot: str


def write_card(facts: CardFacts) -> str:
    """The card in Markdown."""
    sections = (
        _head(facts),
        _measured(facts),
        _confusion(facts.confusion, facts.labels),
        _by_length(facts.by_length),
        _calibration(facts),
        _thresholds(facts.calibration.thresholds, facts.threshold),
        _serving(facts),
        _gates(facts.gates),
        _data(facts),
        _training(facts),
        _uses(facts),
    )
    return "\n".join(line for section in sections for line in section)


def _head(facts: CardFacts) -> list[str]:
    return [
        f"# {facts.model}",
        "",
        f"Tells `{facts.labels[1]}` (positive) from `{facts.labels[0]}` (negative) in one text. "
        f"{f'Follows {facts.parent}' if facts.parent else 'The first of its line'}; "
        f"trained from {facts.start}. {_verdict(facts.gates)}",
        "",
    ]


def _verdict(results: Sequence[GateResult]) -> str:
    failed = sum(not result.passed for result in results)
    skipped = sum(result.skipped for result in results)
    if not results:
        return "It was never gated."
    if failed:
        return f"**{failed} of {len(results)} gates failed.**"
    return f"All gates passed, {skipped} of them skipped." if skipped else "All gates passed."


def _measured(facts: CardFacts) -> list[str]:
    rows = [
        (
            name,
            _with_interval(getattr(facts.int8, name), getattr(facts.int8_intervals, name)),
            _with_interval(getattr(facts.float32, name), getattr(facts.float32_intervals, name)),
        )
        for name in NAMES
    ]
    return [
        "## Measured",
        "",
        f"On {facts.int8.rows} test texts ({facts.int8.positives} positive, duplicates removed), "
        "which nothing was chosen by. In brackets, 95% intervals: Wilson's for shares, a bootstrap "
        "for F1 and AUC.",
        "",
        *_table(("", "int8, as served", "float32"), rows),
        f"Between the two, the largest difference in probability is "
        f"{facts.parity.largest_difference:.4f}, and {facts.parity.changed_decisions:.2%} of "
        "decisions change.",
        "",
    ]


def _confusion(counts: Confusion, labels: tuple[str, str]) -> list[str]:
    negative, positive = labels
    return [
        "### Confusion",
        "",
        *_table(
            ("", f"called {negative}", f"called {positive}"),
            [
                (f"is {negative}", counts.tn, counts.fp),
                (f"is {positive}", counts.fn, counts.tp),
            ],
        ),
    ]


def _by_length(rows: Sequence[LengthRow]) -> list[str]:
    heads = ("tokens", "texts", "positive", "accuracy", "precision", "recall", "f1")
    return ["### By length", "", *_table(heads, [_length_cells(row) for row in rows])]


def _length_cells(row: LengthRow) -> tuple[object, ...]:
    counts = row.confusion
    span = f"{row.lower} and more" if row.upper is None else f"{row.lower} to {row.upper}"
    return (
        span,
        counts.rows,
        counts.positives,
        _share(counts.accuracy),
        _share(counts.precision if counts.tp + counts.fp else None),
        _share(counts.recall if counts.positives else None),
        _share(counts.f1 if counts.positives else None),
    )


def _calibration(facts: CardFacts) -> list[str]:
    found = facts.calibration
    splits = (
        ("validation, temperature 1", found.validation_before),
        ("validation, calibrated", found.validation_after),
        ("test, temperature 1", found.test_before),
        ("test, calibrated", found.test_after),
    )
    rows = [(name, *_reliability_cells(reliability)) for name, reliability in splits]
    return [
        "## Calibration",
        "",
        f"Temperature {found.temperature:.4f}, fitted on the validation split.",
        "",
        *_table(("", "texts", "ECE", "Brier score", "log loss"), rows),
        f"![Accuracy by confidence before and after calibration]({facts.calibration_plot})",
        "",
    ]


def _reliability_cells(found: Reliability) -> tuple[object, ...]:
    return found.rows, f"{found.ece:.4f}", f"{found.brier:.4f}", f"{found.log_loss:.4f}"


def _thresholds(rows: Sequence[ThresholdRow], served: float) -> list[str]:
    heads = ("threshold", "decided", "for review", "accuracy", "precision", "recall")
    cells = [
        (
            f"**{row.threshold:g}**" if row.threshold == served else f"{row.threshold:g}",
            f"{row.decided:.1%}",
            row.reviews,
            _share(row.accuracy),
            _share(row.precision),
            _share(row.recall),
        )
        for row in rows
    ]
    return [
        "### What a threshold does",
        "",
        f"On the validation split; measures are among the texts decided. Served with {served:g}.",
        "",
        *_table(heads, cells),
    ]


def _serving(facts: CardFacts) -> list[str]:
    sizes = [(name.replace("_", " "), f"{size / 1e6:.1f}") for name, size in facts.sizes.items()]
    return [
        "## Serving",
        "",
        "Milliseconds for one text on one thread, median, on the machine that made the version:",
        "",
        *_table(
            ("tokens", *facts.latency_ms),
            [("ms", *(f"{taken:.1f}" for taken in facts.latency_ms.values()))],
        ),
        *_table(("size", "MB"), sizes),
    ]


def _gates(results: Sequence[GateResult]) -> list[str]:
    rows = [
        (
            f"`{result.name}`",
            NOTHING if result.value is None else f"{result.value:.4g}",
            "skipped" if result.skipped else "passed" if result.passed else "**failed**",
        )
        for result in results
    ]
    told = [result.sentence for result in results if result.skipped or not result.passed]
    return [
        "## Gates",
        "",
        *_table(("gate", "measured", "verdict"), rows),
        *(f"- {sentence}" for sentence in told),
        *([""] if told else []),
    ]


def _data(facts: CardFacts) -> list[str]:
    return ["## Data", "", *_facts(facts.data)]


def _training(facts: CardFacts) -> list[str]:
    used = facts.resources
    rows: dict[str, object] = {
        "time": _time(used.wall_s),
        "processor time": _time(used.cpu_s),
        "peak memory": f"{used.peak_memory_mb:,.0f} MB",
    }
    if used.gpu_memory_mb is not None:
        rows["peak GPU memory"] = f"{used.gpu_memory_mb:,.0f} MB"
    if used.gpu_utilization is not None:
        rows["mean GPU utilization"] = f"{used.gpu_utilization:.0%}"
    return [
        "## Training",
        "",
        f"![Loss and learning rate by step]({facts.curves_plot})",
        "",
        *_facts({"start": facts.start, "parent": facts.parent or "none"} | dict(facts.training)),
        "### Shape",
        "",
        *_facts(facts.architecture),
        "### Resources",
        "",
        *_facts(rows),
    ]


def _uses(facts: CardFacts) -> list[str]:
    """What holds for every version this project makes, and no more: it has not read the texts."""
    return [
        "## Use and limits",
        "",
        f"Meant for sorting texts into `{facts.labels[0]}` and `{facts.labels[1]}`, with a person "
        "to look at those under the threshold. Not meant as the only ground for a decision about "
        "a person.",
        "",
        "- It knows texts like those it was trained on: their languages, their length, their time. "
        "Elsewhere, watch the drift report and label a sample.",
        "- Confidence says how sure it is, not whether it is right; calibration holds for texts "
        "like the validation split.",
        "- Whoever wants a text misread can try wordings until one is: it was not tested against "
        "that.",
        "- Where a measure stands on few texts its interval is wide. Trust the interval, and "
        "compare versions on the same texts.",
        "- A text longer than the model reads at once is scored in overlapping windows, combined "
        f"by their {facts.calibration.window_rule}.",
        "",
    ]


def _facts(values: Mapping[str, object]) -> list[str]:
    return _table(("", ""), [(name.replace("_", " "), value) for name, value in values.items()])


def _table(heads: Sequence[object], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = [" | ".join(_cell(value) for value in row) for row in (heads, *rows)]
    return [f"| {lines[0]} |", "|---" * len(heads) + "|", *(f"| {x} |" for x in lines[1:]), ""]


def _cell(value: object) -> str:
    shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return " ".join(shown.split()).replace("|", "\\|")


def _with_interval(value: float, interval: Interval) -> str:
    return f"{value:.4f} ({interval.low:.4f} to {interval.high:.4f})"


def _share(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.4f}"


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"
