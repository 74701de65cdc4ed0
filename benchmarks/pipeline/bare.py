"""What scorers reach by themselves: processes that score texts and store nothing.

python -m benchmarks.pipeline.bare TEXTS MODELS_DIR MODEL PROCESSES
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path

from scoring.artifact.registry import resolve
from scoring.scorer import Scorer


def texts_per_s(texts: Sequence[str], models_dir: Path, model: str, processes: int) -> float:
    """Measure from the moment at which all processes are ready until the last text is scored."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(processes + 1)
    shares = [texts[index::processes] for index in range(processes)]
    workers = [
        context.Process(target=score_all, args=(share, models_dir, model, ready))
        for share in shares
    ]
    for worker in workers:
        worker.start()
    ready.wait()
    started = time.perf_counter()
    ready.wait()
    rate = len(texts) / (time.perf_counter() - started)
    for worker in workers:
        worker.join()
    return rate


def score_all(texts: Sequence[str], models_dir: Path, model: str, ready: Barrier) -> None:
    scorer = Scorer.load(resolve(models_dir, model))
    scorer.warm_up()
    ready.wait()
    for text in texts:
        scorer.score(text)
    ready.wait()


if __name__ == "__main__":
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    print(texts_per_s(lines, Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])))  # noqa: T201
