"""How near estimated accuracy comes to the truth: on windows without shift, and with it.

    .venv/bin/python benchmarks/estimates.py --data test.csv --shift other.csv

Files have the columns `text` and `label` (1 = positive). Of the first one's column `split` only
`test` is read, where it is there: the model must not have seen the texts. Of the second, the texts
that are in the first are left out. Each trial draws its window without replacement, so the sizes
must be smaller than the file.
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

from monitoring.quality.estimated import Calibration, Expected, estimate
from scoring.errors import TextRefused
from scoring.scorer import Scorer
from storage.tables import Metric

NEAR = 0.02


@dataclass(frozen=True, slots=True)
class Scored:
    """One row a text: its probability, and whether it is positive."""

    probabilities: NDArray[np.float64]
    labels: NDArray[np.bool_]

    def pick(self, rows: NDArray[np.intp]) -> Scored:
        return Scored(self.probabilities[rows], self.labels[rows])

    def with_(self, other: Scored) -> Scored:
        return Scored(
            np.concatenate([self.probabilities, other.probabilities]),
            np.concatenate([self.labels, other.labels]),
        )

    @property
    def accuracy(self) -> float:
        return float(((self.probabilities >= 0.5) == self.labels).mean())


@dataclass(frozen=True, slots=True)
class Trial:
    truth: float
    estimated: float
    held: bool
    held_uncorrected: bool


def main() -> None:
    options = arguments()
    scorer = Scorer.load(options.model)
    calibration = Calibration.of(scorer.artifact.profile(), scorer.artifact.manifest.metrics)
    home = score(scorer, read(options.data, options.most), options.data)
    unlike = None
    if options.shift:
        seen = {normal(text) for text, _ in read(options.data, None, every_split=True)}
        foreign = read(options.shift, options.most, every_split=True)
        foreign = [(text, label) for text, label in foreign if normal(text) not in seen]
        unlike = score(scorer, foreign, options.shift)
    table = Table(
        *("window", "from elsewhere", "truth", "estimated", "mean |error|", "largest"),
        *(f"within {100 * NEAR:g} points", "interval holds it", "uncorrected"),
        title=f"{scorer.name}, {len(home.labels):,} texts, {options.trials} trials",
    )
    for rows in options.sizes:
        told(table, rows, 0.0, trials(home, None, rows, 0.0, options, calibration))
    for share in options.shares if unlike is not None else ():
        rows = options.sizes[-1]
        told(table, rows, share, trials(home, unlike, rows, share, options, calibration))
    Console(width=120).print(table)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=Path("models/sms-spam/1.0.0"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--shift", type=Path, help="texts from elsewhere, mixed in")
    parser.add_argument("--sizes", type=int, nargs="+", default=[200, 500])
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 0.2, 0.5, 1.0])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--most", type=int, help="read at most so many texts, drawn at random")
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args()


def read(path: Path, most: int | None, every_split: bool = False) -> list[tuple[str, int]]:
    """(text, label) of each row, or of those of the test split, each text once."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8", newline="") as file:
        rows = [
            (row["text"], int(row["label"]))
            for row in csv.DictReader(file)
            if every_split or row.get("split", "test") == "test"
        ]
    unique = list({normal(text): (text, label) for text, label in rows}.values())
    return random.Random(7).sample(unique, most) if most and most < len(unique) else unique


def normal(text: str) -> str:
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


def trials(
    home: Scored,
    unlike: Scored | None,
    rows: int,
    share: float,
    options: argparse.Namespace,
    calibration: Calibration | None,
) -> list[Trial]:
    draw = np.random.default_rng([options.seed, rows, round(1000 * share)])
    found = []
    for _ in range(options.trials):
        foreign = round(share * rows)
        window = home.pick(draw.choice(len(home.labels), rows - foreign, replace=False))
        if unlike is not None and foreign:
            window = window.with_(unlike.pick(draw.choice(len(unlike.labels), foreign, False)))
        found.append(trial(window, calibration))
    return found


def trial(window: Scored, calibration: Calibration | None) -> Trial:
    expected, truth = Expected.of(window.probabilities), window.accuracy
    found = estimate(expected, calibration)[Metric.ACCURACY]
    narrow = estimate(expected)[Metric.ACCURACY]
    bounds = (found.value, found.low, found.high, narrow.low, narrow.high)
    value, low, high, narrow_low, narrow_high = (
        float("nan") if bound is None else bound for bound in bounds
    )
    return Trial(truth, value, low <= truth <= high, narrow_low <= truth <= narrow_high)


def told(table: Table, rows: int, share: float, found: Sequence[Trial]) -> None:
    errors = np.array([abs(trial.estimated - trial.truth) for trial in found])
    table.add_row(
        f"{rows:,}",
        f"{share:.0%}",
        f"{np.mean([trial.truth for trial in found]):.4f}",
        f"{np.mean([trial.estimated for trial in found]):.4f}",
        f"{errors.mean():.4f}",
        f"{errors.max():.4f}",
        f"{(errors <= NEAR).mean():.1%}",
        f"{np.mean([trial.held for trial in found]):.1%}",
        f"{np.mean([trial.held_uncorrected for trial in found]):.1%}",
    )


if __name__ == "__main__":
    main()
