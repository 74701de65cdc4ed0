"""Tokens a second: the data pipeline by itself, with augmentation, against the training step.

.venv/bin/python benchmarks/pipeline.py --data labelled.csv [--preset small] [--steps 40]
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

from training.data.examples import read, split
from training.presets import PRESETS, TrainingConfig
from training.quiet_import import quiet_import

WARM_UP = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--steps", type=int, default=40)
    options = parser.parse_args()
    config = PRESETS[options.preset]
    texts = split(read(options.data), config.validation_share).train
    with quiet_import():
        from training.data.augmentation import Augmentation, Specials
        from training.data.batches import Batches
        from training.data.tokens import tokenize
        from training.loop.learn import learn_vocabulary, settle

    settle(config)
    tokenizer = learn_vocabulary([e.text for e in texts], config)
    table = Table("", "tokens a second", title=f"{options.data.name}, preset {options.preset}")
    with tempfile.TemporaryDirectory() as cache:
        for what in ("tokenizing", "tokenizing, from the cache"):
            started = perf_counter()
            rows = tokenize(tokenizer, [e.text for e in texts], config.train_tokens, Path(cache))
            table.add_row(what, rate(len(rows.ids), perf_counter() - started))
    data = Batches(
        rows,
        [e.label for e in texts],
        batch=config.batch,
        seed=1,
        specials=Specials.of(tokenizer),
        augmentation=Augmentation(config.drop_rate, config.swap_rate, config.mask_rate),
    )
    table.add_row("batches, augmented", pipeline_rate(data, options.steps))
    table.add_row("training step", step_rate(data, config, tokenizer, options.steps))
    Console().print(table)


def rate(tokens: float, seconds: float) -> str:
    return f"{tokens / seconds:,.0f}"


def batches(data: Any, steps: int) -> Iterable[Any]:
    return islice((batch for epoch in range(1_000) for batch in data.epoch(epoch)), steps)


def pipeline_rate(data: Any, steps: int) -> str:
    tokens, started = 0, perf_counter()
    for number, (ids, _, _) in enumerate(batches(data, WARM_UP + steps)):
        if number == WARM_UP:
            tokens, started = 0, perf_counter()
        tokens += int((ids.numpy() != 0).sum())
    return rate(tokens, perf_counter() - started)


def step_rate(data: Any, config: TrainingConfig, tokenizer: Any, steps: int) -> str:
    """The step alone: its batches lie ready."""
    from training.loop.stepper import Stepper
    from training.model.architecture import build
    from training.model.loss import smoothed_cross_entropy

    shape = replace(config.model, vocabulary=tokenizer.get_vocab_size())
    stepper = Stepper(lambda: build(shape), smoothed_cross_entropy(0.1), config)
    ready = list(batches(data, WARM_UP + steps))
    tokens, started = 0, perf_counter()
    for number, (ids, labels, seed) in enumerate(ready):
        if number == WARM_UP:
            tokens, started = 0, perf_counter()
        stepper.train(ids, labels, seed, 1e-4)
        tokens += int((ids.numpy() != 0).sum())
    return rate(tokens, perf_counter() - started)


if __name__ == "__main__":
    main()
