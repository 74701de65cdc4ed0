"""Calibration with a temperature alone, and with the bias that `fit_calibration` may add to it.

    PYTHONPATH=. .venv/bin/python benchmarks/calibration.py --data test.csv --model sms-spam/1.0.0

The held-out texts of the file are scored once. Each trial divides them at random into two halves:
one to fit on, one to measure. `--positives` draws that share of positive texts, which is another
one than in training.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from scoring.artifact.registry import resolve
from scoring.scorer import Scorer
from training.data.examples import read_examples
from training.data.splits import split_examples, unique
from training.evaluation.calibration import fit_calibration, fit_temperature, reliability
from training.evaluation.metrics import confusion_matrix
from training.evaluation.predictions import Predictions, predict

VALIDATION_SHARE = 0.15
WINDOW_RULE = "mean"
Rows = NDArray[np.intp]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="labelled texts")
    parser.add_argument("--model", required=True, help="NAME/VERSION")
    parser.add_argument("--models-dir", type=Path, default=Path("models"))
    parser.add_argument("--positives", type=float, nargs="+", default=[], help="other shares")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--most", type=int, default=4_000, help="maximum number of texts")
    options = parser.parse_args()
    splits = split_examples(read_examples(options.data), VALIDATION_SHARE)
    scorer = Scorer.load(resolve(options.models_dir, options.model))
    held_out = predict([scorer], unique([*splits.validation, *splits.test])[: options.most])
    table = Table(
        *("positives", "texts measured", "calibration", "ECE", "accuracy", "log loss", "bias kept"),
        title=f"{scorer.name} on {options.data.parent.name}, {options.trials} trials",
    )
    for share in (None, *options.positives):
        add_rows(table, held_out, share, options.trials)
    Console().print(table)


def add_rows(table: Table, held_out: Predictions, share: float | None, trials: int) -> None:
    """Add the means over all trials without and with the bias."""
    plain, biased, kept = [], [], 0
    for seed in range(trials):
        fit, measured = halves(held_out, np.random.default_rng(seed), share)
        temperature = fit_temperature(fit.logits, fit.labels, WINDOW_RULE)
        fitted = fit_calibration(fit.logits, fit.labels, WINDOW_RULE)
        kept += fitted[1] != 0.0
        plain.append(figures(measured, temperature, 0.0))
        biased.append(figures(measured, *fitted))
    positives = f"{np.mean(measured.labels):.1%}"
    for name, results, count in (("temperature", plain, ""), ("and bias", biased, f"{kept}")):
        means = (f"{value:.4f}" for value in np.mean(results, axis=0))
        table.add_row(positives, f"{len(measured.labels)}", name, *means, count)


def halves(
    held_out: Predictions, draw: np.random.Generator, share: float | None
) -> tuple[Predictions, Predictions]:
    rows = draw.permutation(len(held_out.labels))
    if share is not None:
        rows = draw.permutation(with_share(rows, np.array(held_out.labels), share))
    middle = len(rows) // 2
    return pick(held_out, rows[:middle]), pick(held_out, rows[middle:])


def with_share(rows: Rows, labels: NDArray[np.int_], share: float) -> Rows:
    """Return the largest part of the rows in which this share is positive."""
    negative, positive = rows[labels[rows] == 0], rows[labels[rows] == 1]
    total = min(len(negative) / (1.0 - share), len(positive) / share)
    kept = (negative[: int(total * (1.0 - share))], positive[: int(total * share)])
    return np.concatenate(kept)


def pick(predictions: Predictions, rows: Rows) -> Predictions:
    return Predictions(
        [predictions.labels[row] for row in rows], [predictions.logits[row] for row in rows]
    )


def figures(measured: Predictions, temperature: float, bias: float) -> tuple[float, float, float]:
    probabilities = measured.probabilities(temperature, WINDOW_RULE, bias)
    result = reliability(measured.labels, probabilities)
    accuracy = confusion_matrix(measured.labels, probabilities).accuracy
    return result.ece, accuracy, result.log_loss


if __name__ == "__main__":
    main()
