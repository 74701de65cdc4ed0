"""What more threads, shared weights and the order of a message's texts change.

.venv/bin/python -m benchmarks.runtime [NAME/VERSION] [--models-dir models] [--data FILE]
    [--output FILE]

The ways take turns, so that other work on the machine meets all of them. With --data, a CSV file
with the column `text`, the texts of messages of 64 are scored in both orders, in processor time.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.pipeline.texts import short_texts
from benchmarks.result_file import add_output_option, machine_line, write_result
from scoring.artifact.artifact import MODEL, Artifact
from scoring.artifact.registry import resolve
from scoring.runtime.litert import LiteRtRuntime
from scoring.runtime.shared_weights import SharedWeights
from scoring.scorer import Scorer

LENGTHS = (16, 64, 128, 256, 512)
ROUNDS, RUNS = 4, 3
MESSAGE, MESSAGES = 64, 12
Figures = dict[str, dict[str, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", nargs="?", default="sms-spam")
    parser.add_argument("--models-dir", type=Path, default=Path("models"))
    parser.add_argument("--data", type=Path)
    add_output_option(parser)
    options = parser.parse_args()
    artifact = Artifact.load(resolve(options.models_dir, options.model))
    figures = {"latency": latency(artifact)}
    show(f"{artifact.name}, ms by tokens", figures["latency"])
    if options.data:
        figures["order"] = order(Scorer(artifact), short_texts(options.data, MESSAGE * MESSAGES))
        show(f"{artifact.name}, ms of processor time per text", figures["order"])
    write_result(options.output, figures, ("ai-edge-litert",))


def latency(artifact: Artifact) -> Figures:
    """Return milliseconds per length and way."""
    path, sha256 = artifact.model_path, artifact.manifest.files[MODEL].sha256
    with tempfile.TemporaryDirectory(prefix="plumbline-weights-") as folder:
        shared = SharedWeights(Path(folder)).find_or_build(path, sha256, 16)
        own, mapped = LiteRtRuntime(path), LiteRtRuntime(path, shared)
        ways = {"1 thread": (own, 1), "1 thread, shared weights": (mapped, 1),
                "2 threads, shared weights": (mapped, 2)}  # fmt: skip
        figures: Figures = {way: {} for way in ways}
        for length in LENGTHS:
            token_ids = np.full(length, 7, np.int32)
            durations: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(ROUNDS):
                for way, (runtime, threads) in ways.items():
                    runtime.logit(token_ids, threads)
                    for _ in range(RUNS):
                        started = perf_counter()
                        runtime.logit(token_ids, threads)
                        durations[way].append(1000.0 * (perf_counter() - started))
            for way, values in durations.items():
                figures[way][f"{length} median"] = statistics.median(values)
                figures[way][f"{length} lowest"] = min(values)
    return figures


def order(scorer: Scorer, texts: list[str]) -> Figures:
    """Return milliseconds per text in the order of the file, and by length within a message."""

    def as_sent(message: list[str]) -> None:
        for text in message:
            scorer.score(text)

    def by_length(message: list[str]) -> None:
        for text in sorted(message, key=scorer.window_tokens):
            scorer.score(text)

    ways: Mapping[str, Callable[[list[str]], None]] = {
        "as sent": as_sent, "by length": by_length, "as sent again": as_sent
    }  # fmt: skip
    durations: dict[str, list[float]] = {way: [] for way in ways}
    for first in range(0, len(texts), MESSAGE):
        message = texts[first : first + MESSAGE]
        for way, score in ways.items():
            started = process_time()
            score(message)
            durations[way].append(1000.0 * (process_time() - started) / len(message))
    return {way: {"median": statistics.median(ms)} for way, ms in durations.items()}


def show(title: str, figures: Figures) -> None:
    table = Table("", *figures, title=f"{title}; {machine_line()}")
    for name in next(iter(figures.values())):
        table.add_row(name, *(f"{values[name]:.2f}" for values in figures.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
