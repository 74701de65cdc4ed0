"""Estimated accuracy compared with true accuracy, on windows without and with a shift.

    .venv/bin/python benchmarks/estimates.py --data test.csv --shift other.csv

The files have the columns `text` and `label` (1 = positive). If the first file has a column
`split`, only its split `test` is read, because the model must not have seen the texts. Texts of the
second file that are also in the first are left out. Each trial draws its window without
replacement, so the sizes must be smaller than the file.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from monitoring.quality.estimated import CalibrationErrors, WindowSums, estimated_metrics
from plumbline_client.errors import TextRefused
from scoring.scorer import Scorer
from storage.tables import Metric

CLOSE = 0.02


@dataclass(frozen=True, slots=True)
class Scored:
    """Arrays with one row per text: its probability, and whether it is positive."""

    probabilities: NDArray[np.float64]
    labels: NDArray[np.bool_]

    def pick(self, rows: NDArray[np.intp]) -> Scored:
        return Scored(self.probabilities[rows], self.labels[rows])

    def joined_with(self, other: Scored) -> Scored:
        return Scored(
            np.concatenate([self.probabilities, other.probabilities]),
            np.concatenate([self.labels, other.labels]),
        )

    @property
    def accuracy(self) -> float:
        return float(((self.probabilities >= 0.5) == self.labels).mean())


@dataclass(frozen=True, slots=True)
class Trial:
    """`covered` is whether the interval contains the true accuracy."""

    true: float
    estimated: float
    covered: bool
    covered_uncorrected: bool


def main() -> None:
    options = arguments()
    scorer = Scorer.load(options.model)
    calibration = CalibrationErrors.of(scorer.artifact.profile(), scorer.artifact.manifest.metrics)
    usual = score(scorer, read(options.data, options.most), options.data)
    shifted = None
    if options.shift:
        known = {normalise(text) for text, _ in read(options.data, None, every_split=True)}
        rows = read(options.shift, options.most, every_split=True)
        rows = [(text, label) for text, label in rows if normalise(text) not in known]
        shifted = score(scorer, rows, options.shift)
    table = Table(
        *("window", "from elsewhere", "truth", "estimated", "mean error", "largest error"),
        *(f"within {100 * CLOSE:g} points", "interval covers", "uncorrected"),
        title=f"{scorer.name}, {len(usual.labels):,} texts, {options.trials} trials",
    )
    for size in options.sizes:
        add_row(table, size, 0.0, run_trials(usual, None, size, 0.0, options, calibration))
    for share in options.shares if shifted is not None else ():
        size = options.sizes[-1]
        trials = run_trials(usual, shifted, size, share, options, calibration)
        add_row(table, size, share, trials)
    Console(width=120).print(table)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=Path("models/sms-spam/1.0.0"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--shift", type=Path, help="texts from elsewhere to mix in")
    parser.add_argument("--sizes", type=int, nargs="+", default=[200, 500])
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 0.2, 0.5, 1.0])
    parser.add_argument("--trials", type=int, default=200)
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
    probabilities, labels = [], []
    for text, label in track(rows, path.parent.name, console=Console(file=sys.stderr)):
        try:
            probabilities.append(scorer.score(text).probability)
        except TextRefused:
            continue
        labels.append(label == 1)
    return Scored(np.array(probabilities), np.array(labels))


def run_trials(
    usual: Scored,
    shifted: Scored | None,
    size: int,
    share: float,
    options: argparse.Namespace,
    calibration: CalibrationErrors | None,
) -> list[Trial]:
    draw = np.random.default_rng([options.seed, size, round(1000 * share)])
    trials = []
    for _ in range(options.trials):
        replaced = round(share * size)
        window = usual.pick(draw.choice(len(usual.labels), size - replaced, replace=False))
        if shifted is not None and replaced:
            rows = draw.choice(len(shifted.labels), replaced, False)
            window = window.joined_with(shifted.pick(rows))
        trials.append(run_trial(window, calibration))
    return trials


def run_trial(window: Scored, calibration: CalibrationErrors | None) -> Trial:
    sums, true = WindowSums.of(window.probabilities), window.accuracy
    corrected = estimated_metrics(sums, calibration)[Metric.ACCURACY]
    plain = estimated_metrics(sums)[Metric.ACCURACY]
    numbers = (corrected.value, corrected.low, corrected.high, plain.low, plain.high)
    value, low, high, plain_low, plain_high = (
        float("nan") if number is None else number for number in numbers
    )
    return Trial(true, value, low <= true <= high, plain_low <= true <= plain_high)


def add_row(table: Table, size: int, share: float, trials: Sequence[Trial]) -> None:
    errors = np.array([abs(trial.estimated - trial.true) for trial in trials])
    table.add_row(
        f"{size:,}",
        f"{share:.0%}",
        f"{np.mean([trial.true for trial in trials]):.4f}",
        f"{np.mean([trial.estimated for trial in trials]):.4f}",
        f"{errors.mean():.4f}",
        f"{errors.max():.4f}",
        f"{(errors <= CLOSE).mean():.1%}",
        f"{np.mean([trial.covered for trial in trials]):.1%}",
        f"{np.mean([trial.covered_uncorrected for trial in trials]):.1%}",
    )


if __name__ == "__main__":
    main()
