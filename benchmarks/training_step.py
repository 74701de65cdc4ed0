"""Tokens per second of the data pipeline, with augmentation, and of the training step.

.venv/bin/python benchmarks/training_step.py --data labelled.csv [--preset small] [--steps 40]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.table import Table

from training.data.examples import read_examples
from training.data.splits import split_examples
from training.presets import PRESETS, TrainingConfig
from training.quiet_import import quiet_import

WARM_UP_STEPS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="labelled texts")
    parser.add_argument("--preset", default="small", help=f"one of {', '.join(PRESETS)}")
    parser.add_argument("--steps", type=int, default=40, help="number of batches to measure")
    options = parser.parse_args()
    config = PRESETS[options.preset]
    examples = split_examples(read_examples(options.data), config.validation_share).train
    texts = [example.text for example in examples]
    with quiet_import():
        from training.data.augmentation import Augmentation, SpecialTokens
        from training.data.batches import Batches
        from training.data.tokenization import tokenize
        from training.loop.train import configure_keras, tokenizer_for

    configure_keras(config)
    tokenizer = tokenizer_for(texts, config)
    table = Table("", "tokens per second", title=f"{options.data.name}, preset {options.preset}")
    with tempfile.TemporaryDirectory() as cache:
        for name in ("tokenizing", "tokenizing, from the cache"):
            started = perf_counter()
            rows = tokenize(tokenizer, texts, config.train_tokens, Path(cache))
            table.add_row(name, format_rate(len(rows.ids), perf_counter() - started))
    data = Batches(
        rows,
        [example.label for example in examples],
        batch=config.batch,
        seed=1,
        special_tokens=SpecialTokens.of(tokenizer),
        augmentation=Augmentation(config.drop_rate, config.swap_rate, config.mask_rate),
    )
    table.add_row("batches, augmented", pipeline_rate(data, options.steps))
    table.add_row("training step", step_rate(data, config, tokenizer, options.steps))
    Console().print(table)


def format_rate(tokens: float, seconds: float) -> str:
    return f"{tokens / seconds:,.0f}"


def batches(data: Any, steps: int) -> Iterable[Any]:
    return islice((batch for epoch in range(1_000) for batch in data.epoch(epoch)), steps)


def pipeline_rate(data: Any, steps: int) -> str:
    tokens, started = 0, perf_counter()
    for number, (ids, _, _) in enumerate(batches(data, WARM_UP_STEPS + steps)):
        if number == WARM_UP_STEPS:
            tokens, started = 0, perf_counter()
        tokens += int((ids.numpy() != 0).sum())
    return format_rate(tokens, perf_counter() - started)


def step_rate(data: Any, config: TrainingConfig, tokenizer: Any, steps: int) -> str:
    """Measure the step without the pipeline: all batches are prepared first."""
    from training.loop.stepper import Stepper
    from training.model.architecture import build_classifier
    from training.model.loss import smoothed_cross_entropy

    shape = replace(config.model, vocabulary=tokenizer.get_vocab_size())
    stepper = Stepper(lambda: build_classifier(shape), smoothed_cross_entropy(0.1), config)
    ready = list(batches(data, WARM_UP_STEPS + steps))
    tokens, started = 0, perf_counter()
    for number, (ids, labels, seed) in enumerate(ready):
        if number == WARM_UP_STEPS:
            tokens, started = 0, perf_counter()
        stepper.train_step(ids, labels, seed, 1e-4)
        tokens += int((ids.numpy() != 0).sum())
    return format_rate(tokens, perf_counter() - started)


if __name__ == "__main__":
    main()
