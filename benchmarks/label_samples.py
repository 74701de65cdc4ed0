"""Samples of texts to label: the bias of the accuracy that they show, and the errors they contain.

    .venv/bin/python benchmarks/label_samples.py --data FILE --shift FILE [--trials 1000]

Each trial draws a window from texts that the model was not trained on, a share of them from
--shift, and labels 50 at random and the 50 least confident ones. The seed is fixed.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from plumbline.shipped import resolve_model
from scoring.scorer import Scorer
from storage.unfamiliarity import unfamiliarity
from training.data.examples import TRAIN, Example, read_examples

WINDOW, LABELS = 500, 50
SHARES = (0.0, 0.2, 0.5, 1.0)
COLUMNS = (
    "drawn among all, kept",
    "newest sampling kept",
    "drawn among unlabelled",
    "all labels",
    "errors: random",
    "uncertain",
    "unfamiliar",
)
Rows = np.ndarray[Any, np.dtype[np.float64]]


def scored(scorer: Scorer, examples: list[Example]) -> Rows:
    """Return confidence, unfamiliarity, and 1.0 if the prediction is right, per text."""
    rows = []
    for example in examples:
        score = scorer.score(example.text)
        right = (score.probability >= 0.5) == bool(example.label)
        rows.append((score.confidence, unfamiliarity(score.features), float(right)))
    return np.array(rows, dtype=np.float64)


def trial(window: Rows, rng: np.random.Generator) -> list[float]:
    """Return the error of each way to measure accuracy in points, then the errors per sample."""
    right, everything = window[:, 2], np.arange(len(window))
    tie = rng.random(len(window)) * 1e-9
    at_random = rng.permutation(everything)[:LABELS]
    uncertain = np.argsort(window[:, 0] + tie)[:LABELS]
    unfamiliar = np.argsort(tie - window[:, 1])[:LABELS]
    unlabelled = rng.permutation(np.setdiff1d(everything, uncertain))[:LABELS]
    measured = (
        at_random,
        np.setdiff1d(at_random, uncertain),
        unlabelled,
        np.union1d(at_random, uncertain),
    )
    return [
        *(100 * float(right[rows].mean() - right.mean()) for rows in measured),
        *(float((right[rows] == 0).sum()) for rows in (at_random, uncertain, unfamiliar)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--shift", type=Path, required=True)
    parser.add_argument("--model", default="sms-spam/1.0.0")
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--trials", type=int, default=1_000)
    options = parser.parse_args()
    scorer = Scorer.load(resolve_model(options.models, options.model))
    own = scored(scorer, [e for e in read_examples(options.data) if e.split != TRAIN])
    other = scored(scorer, read_examples(options.shift))
    table = Table("share", *COLUMNS, title=f"{options.trials:,} windows of {WINDOW} texts")
    rng = np.random.default_rng(0)
    for share in SHARES:
        shifted = round(WINDOW * share)
        results = [
            trial(
                np.vstack(
                    [
                        own[rng.choice(len(own), WINDOW - shifted, replace=False)],
                        other[rng.choice(len(other), shifted, replace=False)],
                    ]
                ),
                rng,
            )
            for _ in range(options.trials)
        ]
        means = np.mean(results, axis=0)
        table.add_row(
            f"{share:.0%}",
            *(f"{value:+.2f}" for value in means[:4]),
            *(f"{value:.1f}" for value in means[4:]),
        )
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
