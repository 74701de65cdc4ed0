"""Validation loss by epoch for several lengths of the learning-rate schedule, on labelled texts.

.venv/bin/python benchmarks/training_schedule.py --data a.csv --data b.csv --epochs 3 --epochs 8
    [--seed 7] [--from sms-spam/1.0.0] [--most 6000] --output curves.json

Each run trains all its epochs, so that every patience can be read from its curve. Runs that the
output already holds are skipped, and an interrupted run resumes.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from result_file import write_result
from rich.console import Console
from rich.table import Table

from training.data.examples import read_examples
from training.data.splits import Splits, split_examples
from training.presets import PRESETS, RunOptions, TrainingConfig
from training.quiet_import import quiet_import

Run = dict[str, Any]


def main() -> None:
    options = parse_arguments()
    runs: list[Run] = []
    if options.output.exists():
        runs = json.loads(options.output.read_text(encoding="utf-8"))["figures"]
    for seed in options.seed:
        for path in options.data:
            config = replace(PRESETS[options.preset], seed=seed)
            splits = read_splits(path, config, options.most)
            for epochs in options.epochs:
                about = {
                    "data": path.parent.name,
                    "texts": len(splits.train),
                    "from": options.version,
                    "seed": seed,
                    "epochs": epochs,
                }
                if not any(about.items() <= run.items() for run in runs):
                    curve = train(splits, replace(config, epochs=epochs), options, epochs)
                    runs.append(about | curve)
                    write_result(options.output, runs, ("tensorflow-cpu", "keras"))
    Console().print(table(runs))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, action="append", required=True, help="labelled texts")
    parser.add_argument("--preset", default="small", help=f"one of {', '.join(PRESETS)}")
    parser.add_argument("--epochs", type=int, action="append", required=True)
    parser.add_argument("--seed", type=int, action="append", required=True)
    parser.add_argument("--most", type=int, help="train on this many texts at most")
    parser.add_argument("--from", dest="version", help="start from a version in models/")
    parser.add_argument("--run-dir", type=Path, default=Path("runs"))
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


def read_splits(path: Path, config: TrainingConfig, most: int | None) -> Splits:
    splits = split_examples(read_examples(path), config.validation_share)
    return replace(splits, train=splits.train[:most])


def train(
    splits: Splits, config: TrainingConfig, options: argparse.Namespace, epochs: int
) -> dict[str, Any]:
    """Train every epoch and return the curve."""
    with quiet_import():
        from training.loop.train import train_classifier
        from training.model.initial_weights import random_weights, version_weights

    start = version_weights(Path("models"), options.version) if options.version else None
    weights = start or random_weights()
    adapted = replace(weights.adapt(config), epochs=epochs, patience=epochs)
    trained = train_classifier(splits, adapted, weights, RunOptions(options.run_dir))
    trained.checkpoint.clear()
    history = trained.history
    return {
        "validation_loss": history.validation_loss,
        "validation_f1": history.validation_f1,
        "epoch_ends": history.epoch_ends,
        "seconds": history.seconds,
    }


def table(runs: list[Run]) -> Table:
    result = Table("data", "from", "seed", "epochs", "best", "loss", "F1", "loss by epoch", "s")
    for run in runs:
        losses = run["validation_loss"]
        best = losses.index(min(losses))
        result.add_row(
            f"{run['data']}, {run['texts']:,}",
            run["from"] or "random",
            str(run["seed"]),
            str(run["epochs"]),
            str(best + 1),
            f"{losses[best]:.4f}",
            f"{run['validation_f1'][best]:.4f}",
            " ".join(f"{loss:.3f}" for loss in losses),
            f"{run['seconds']:.0f}",
        )
    return result


if __name__ == "__main__":
    main()
