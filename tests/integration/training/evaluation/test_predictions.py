"""Texts that are scored at the same time get the very logits that they get one after the other."""

from __future__ import annotations

from scoring.artifact.artifact import Artifact
from scoring.artifact.registry import resolve
from scoring.scorer import Scorer
from tests.paths import CHECKOUT
from training.data.examples import Example
from training.evaluation.predictions import predict

WORDS = ["free", "prize", "call", "now", "see", "you", "at", "lunch", "tomorrow", "win", "cash"]


def test_logits_of_two_threads_equal_those_of_one() -> None:
    artifact = Artifact.load(resolve(CHECKOUT / "models", "sms-spam/1.0.0"))
    examples = [
        Example(" ".join(WORDS[(start + n * start) % len(WORDS)] for n in range(1 + start % 17)), 0)
        for start in range(60)
    ]
    alone, together = Scorer(artifact), [Scorer(artifact), Scorer(artifact)]
    assert predict(together, examples) == predict([alone], examples)
