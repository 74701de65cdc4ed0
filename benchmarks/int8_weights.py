"""How close the float weights that are re-created from an int8 model come to it.

    .venv/bin/python benchmarks/int8_weights.py --data FILE [--model sms-spam/1.0.0]

Scores the test split of FILE with both. Needs TensorFlow.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from scoring.scorer import Scorer
from training.data.examples import read_examples
from training.data.splits import split_examples
from training.quiet_import import quiet_import

MODELS = Path(__file__).resolve().parent.parent / "models"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="sms-spam/1.0.0")
    options = parser.parse_args()
    with quiet_import():
        from training.model.architecture import build_classifier
        from training.model.initial_weights import version_weights
    scorer = Scorer.load(MODELS / options.model)
    weights = version_weights(MODELS, options.model)
    model = build_classifier(weights.shape)
    weights.load(model)
    tokenizer, config = scorer.artifact.tokenizer, scorer.artifact.config
    served, exact = [], []
    for example in split_examples(read_examples(options.data), 0.15).test:
        tokens = tokenizer.encode(example.text)[: config.max_tokens - 2]
        ids = np.asarray(tokenizer.wrap(tokens), dtype=np.int32)
        served.append(scorer._runtime.logit(ids))
        exact.append(float(model(ids[None], masked=False, training=False)[0, 0]))
    report(weights.name, np.array(served), np.array(exact), config.temperature, config.threshold)


def report(
    name: str,
    served: NDArray[np.float64],
    exact: NDArray[np.float64],
    temperature: float,
    threshold: float,
) -> None:
    difference = np.abs(served - exact)
    sides = [1.0 / (1.0 + np.exp(-logits / temperature)) for logits in (served, exact)]
    reviewed = [np.maximum(side, 1.0 - side) < threshold for side in sides]
    Console(highlight=False).print(
        f"{name}: {len(served)} texts; logits differ by {difference.mean():.4f} on average and "
        f"{difference.max():.4f} at most (standard deviation {served.std():.2f}), probabilities by "
        f"{np.abs(sides[0] - sides[1]).max():.4f} at most; "
        f"{int(np.sum((sides[0] >= 0.5) != (sides[1] >= 0.5)))} labels and "
        f"{int(np.sum(reviewed[0] != reviewed[1]))} reviews change",
        soft_wrap=True,
    )


if __name__ == "__main__":
    main()
