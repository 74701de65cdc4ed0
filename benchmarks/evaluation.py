"""Seconds that scoring a split takes after training, with one thread and with one per core.

PYTHONPATH=. .venv/bin/python benchmarks/evaluation.py --data labelled.csv --model sms-spam/1.0.0
    [--most 1000] [--rounds 3] [--output evaluation.json]

With the version's SavedModel, if it has one, its float32 model is measured as well. Before it
prints anything, the benchmark checks that both ways give the same logits.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from result_file import add_output_option, machine_line, write_result
from rich.console import Console
from rich.table import Table

from scoring.artifact.artifact import Artifact
from scoring.artifact.registry import resolve
from scoring.scorer import Scorer
from training.data.examples import Example, read_examples
from training.evaluation.predictions import predict, scorers_of
from training.quiet_import import quiet_import


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="labelled texts")
    parser.add_argument("--model", default="sms-spam/1.0.0", help="NAME/VERSION")
    parser.add_argument("--models-dir", type=Path, default=Path("models"))
    parser.add_argument("--most", type=int, default=1_000, help="score this many texts at most")
    parser.add_argument("--rounds", type=int, default=3)
    add_output_option(parser)
    options = parser.parse_args()
    artifact = Artifact.load(resolve(options.models_dir, options.model))
    examples = list(read_examples(options.data))[: options.most]
    runtimes: dict[str, Any] = {"int8": None}
    if (saved_model := artifact.folder / "saved_model").is_dir():
        with quiet_import():
            from training.evaluation.saved_model_runtime import SavedModelRuntime
        runtimes["float32"] = SavedModelRuntime(saved_model)
    table = Table(
        *("model", "texts", "threads", "one thread, s", "all threads, s", "ratio"),
        title=f"{artifact.name}, {machine_line()}",
    )
    figures = {}
    for name, runtime in runtimes.items():
        many = scorers_of(artifact, len(examples), runtime)
        seconds = measure({"one": many[:1], "many": many}, examples, options.rounds)
        figures[name] = {"texts": len(examples), "threads": len(many), "seconds": seconds}
        one, all_cores = (median(values) for values in seconds.values())
        ratio = f"{one / all_cores:.2f}"
        table.add_row(
            name, str(len(examples)), str(len(many)), f"{one:.2f}", f"{all_cores:.2f}", ratio
        )
    Console().print(table)
    write_result(options.output, figures, ("ai-edge-litert", "tensorflow-cpu"))


def measure(
    ways: dict[str, Sequence[Scorer]], examples: Sequence[Example], rounds: int
) -> dict[str, list[float]]:
    """Return the seconds of each round; the ways take turns. Raises SystemExit if they differ."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    expected = None
    for _ in range(rounds):
        for name, scorers in ways.items():
            started = perf_counter()
            predictions = predict(scorers, examples)
            seconds[name].append(perf_counter() - started)
            if predictions != (expected := expected or predictions):
                raise SystemExit(f"The logits of {name} differ.")
    return seconds


if __name__ == "__main__":
    main()
