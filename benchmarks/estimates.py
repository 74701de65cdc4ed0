"""Accuracy without labels, and with 50 of them, compared with the truth, without and with a shift.

    .venv/bin/python benchmarks/estimates.py --data test.csv --shift other.csv

The files have the columns `text` and `label` (1 = positive). If the first file has a column
`split`, only its split `test` is read, because the model must not have seen the texts. Texts of the
second file that are also in the first are left out. Each trial draws its window without
replacement, so the sizes must be smaller than the file.

A window is marked if the drift test finds drift against the version's profile, at the default rate.
Its estimate is then withheld, and labels of a random sample are combined with the predictions as in
`plumbline quality`. Half widths are compared with those of Wilson's interval of the labels alone.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import random
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from monitoring.drift.drift_score import Samples
from monitoring.drift.threshold import permuted_scores, thresholds
from monitoring.drift.window import Columns, shared_columns
from monitoring.quality.combined import Stratum, calibrated_metrics, combined_metrics
from monitoring.quality.estimated import CalibrationErrors, EstimatedMetric, estimated_metrics
from plumbline.settings import Settings
from plumbline_client.errors import TextRefused
from scoring.intervals import wilson
from scoring.scorer import Scorer
from storage.states import Metric
from training.release.drift_reference import build_profile

ALPHA = float(Settings.model_fields["drift_alpha"].default)


@dataclass(frozen=True, slots=True)
class Scored:
    """Arrays with one row per text: the columns of a profile, and whether it is positive."""

    columns: dict[str, NDArray[Any]]
    labels: NDArray[np.bool_]

    def pick(self, rows: NDArray[np.intp]) -> Scored:
        columns = {name: values[rows] for name, values in self.columns.items()}
        return Scored(columns, self.labels[rows])

    def joined_with(self, other: Scored) -> Scored:
        columns = {
            name: np.concatenate([values, other.columns[name]])
            for name, values in self.columns.items()
        }
        return Scored(columns, np.concatenate([self.labels, other.labels]))

    @property
    def probabilities(self) -> NDArray[np.float64]:
        return np.asarray(self.columns["probability"], dtype=np.float64)

    @property
    def errors(self) -> NDArray[np.bool_]:
        return np.asarray((self.probabilities >= 0.5) != self.labels, dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Case:
    """Windows of `size` texts, a `share` of them from elsewhere."""

    size: int
    share: float


@dataclass(frozen=True, slots=True)
class Version:
    """What a trial needs of the version: its reference for drift, and its calibration."""

    reference: Columns
    calibration: CalibrationErrors | None


@dataclass(frozen=True, slots=True)
class Trial:
    """`covered` and the like are whether an interval contains the true accuracy."""

    true: float
    estimated: float
    covered: bool
    marked: bool
    combined_covered: bool
    # Relative to the half width of the labels alone.
    combined_width: float
    labels_width: float


def main() -> None:
    options = arguments()
    scorer = Scorer.load(options.model)
    profile = scorer.artifact.profile()
    version = Version(
        profile.columns, CalibrationErrors.of(profile, scorer.artifact.manifest.metrics)
    )
    usual = score(scorer, read(options.data, options.most), options.data)
    shifted = None
    if options.shift:
        known = {normalise(text) for text, _ in read(options.data, None, every_split=True)}
        rows = read(options.shift, options.most, every_split=True)
        rows = [(text, label) for text, label in rows if normalise(text) not in known]
        shifted = score(scorer, rows, options.shift)
    cases = [Case(size, 0.0) for size in options.sizes]
    if shifted is not None:
        cases += [Case(options.sizes[-1], share) for share in options.shares]
    work = partial(
        run_trials,
        usual=usual,
        shifted=shifted,
        version=version,
        seed=options.seed,
        trials=options.trials,
        labels=options.labels,
    )
    with ProcessPoolExecutor(options.processes) as executor:
        results = track(executor.map(work, cases), "trials", len(cases), console=progress())
        table = results_table(cases, list(results))
    title = f"{scorer.name}, {len(usual.labels):,} texts, {options.trials} trials"
    table.title = f"{title}, {options.labels} labels"
    Console(width=130).print(table)


def progress() -> Console:
    return Console(file=sys.stderr)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=Path("models/sms-spam/1.0.0"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--shift", type=Path, help="texts from elsewhere to mix in")
    parser.add_argument("--sizes", type=int, nargs="+", default=[200, 500])
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 0.2, 0.5, 1.0])
    parser.add_argument("--labels", type=int, default=50, help="texts drawn to be labelled")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--most", type=int, help="maximum number of texts to read, drawn at random")
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args()


def read(path: Path, most: int | None, every_split: bool = False) -> list[tuple[str, int]]:
    """Return (text, label) of the rows of the test split or of every split, each text once."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8", newline="") as file:
        rows = [
            (row["text"], int(row["label"]))
            for row in csv.DictReader(file)
            if every_split or row.get("split", "test") == "test"
        ]
    unique = list({normalise(text): (text, label) for text, label in rows}.values())
    return random.Random(7).sample(unique, most) if most and most < len(unique) else unique


def normalise(text: str) -> str:
    return " ".join(text.lower().split())


def score(scorer: Scorer, rows: Sequence[tuple[str, int]], path: Path) -> Scored:
    scores, labels = [], []
    for text, label in track(rows, path.parent.name, console=progress()):
        try:
            scores.append(scorer.score(text))
        except TextRefused:
            continue
        labels.append(label == 1)
    # In parts, because a profile keeps fewer rows.
    parts = [build_profile("", "", scores[n : n + 1_000]) for n in range(0, len(scores), 1_000)]
    columns = {
        name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns
    }
    return Scored(columns, np.array(labels))


def run_trials(
    case: Case,
    *,
    usual: Scored,
    shifted: Scored | None,
    version: Version,
    seed: int,
    trials: int,
    labels: int,
) -> list[Trial]:
    draw = np.random.default_rng([seed, case.size, round(1000 * case.share)])
    results = []
    for _ in range(trials):
        replaced = round(case.share * case.size)
        window = usual.pick(draw.choice(len(usual.labels), case.size - replaced, replace=False))
        if shifted is not None and replaced:
            rows = draw.choice(len(shifted.labels), replaced, False)
            window = window.joined_with(shifted.pick(rows))
        labelled = np.zeros(case.size, dtype=np.bool_)
        labelled[draw.choice(case.size, labels, replace=False)] = True
        results.append(run_trial(window, labelled, version))
    return results


def run_trial(window: Scored, labelled: NDArray[np.bool_], version: Version) -> Trial:
    stratum = Stratum.of(window.probabilities, window.errors, labelled)
    true = 1.0 - float(window.errors.mean())
    estimate = estimated_metrics(stratum.window, version.calibration)[Metric.ACCURACY]
    assert estimate.value is not None, "a window has texts"
    marked = has_drifted(window, version.reference)
    combined = combined_metrics([stratum])[Metric.ACCURACY]
    calibrated = calibrated_metrics([stratum], version.calibration)[Metric.ACCURACY]
    if not marked and calibrated.value is not None:
        combined = calibrated
    right = int((~window.errors & labelled).sum())
    alone = wilson(right, int(labelled.sum()))
    return Trial(
        true=true,
        estimated=estimate.value,
        covered=covers(estimate, true),
        marked=marked,
        combined_covered=covers(combined, true),
        combined_width=width(combined) / (alone.high - alone.low),
        labels_width=alone.high - alone.low,
    )


def has_drifted(window: Scored, reference: Columns) -> bool:
    """Return the verdict of a drift report on these texts."""
    columns: Columns = {name: values.tolist() for name, values in window.columns.items()}
    samples = Samples(*shared_columns(reference, columns))
    limits, scores = thresholds(permuted_scores(samples), ALPHA), samples.scores()
    return scores.joint > limits.joint or max(scores.columns.values()) > limits.column


def covers(metric: EstimatedMetric, true: float) -> bool:
    assert metric.low is not None and metric.high is not None
    # A share of a window is a multiple of 1 / rows, so this is only for rounding errors.
    return metric.low - 1e-9 <= true <= metric.high + 1e-9


def width(metric: EstimatedMetric) -> float:
    assert metric.low is not None and metric.high is not None
    return metric.high - metric.low


def results_table(cases: Sequence[Case], results: Sequence[Sequence[Trial]]) -> Table:
    table = Table(
        *("window", "elsewhere", "truth", "estimated", "mean error", "interval covers"),
        *("marked", "marked or covers", "combined covers", "its half width", "of labels alone"),
    )
    for case, trials in zip(cases, results, strict=True):
        table.add_row(
            f"{case.size:,}",
            f"{case.share:.0%}",
            f"{np.mean([trial.true for trial in trials]):.4f}",
            f"{np.mean([trial.estimated for trial in trials]):.4f}",
            f"{np.mean([abs(trial.estimated - trial.true) for trial in trials]):.4f}",
            f"{np.mean([trial.covered for trial in trials]):.1%}",
            f"{np.mean([trial.marked for trial in trials]):.1%}",
            f"{np.mean([trial.marked or trial.covered for trial in trials]):.1%}",
            f"{np.mean([trial.combined_covered for trial in trials]):.1%}",
            f"{np.mean([t.combined_width * t.labels_width / 2 for t in trials]):.4f}",
            f"{np.mean([trial.combined_width for trial in trials]):.0%}",
        )
    return table


if __name__ == "__main__":
    main()
