"""Predictions of a version for labelled texts, by the int8 model and by the float32 SavedModel."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from plumbline_client.errors import TextRefused
from scoring.artifact.artifact import Artifact
from scoring.input.windows import combine
from scoring.runtime.protocol import Runtime
from scoring.score import Score, calibrated
from scoring.scorer import Scorer
from training.data.examples import Example
from training.steps import step, track

# For each text, the logits of its windows.
Logits = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Predictions:
    """Labels of the texts of a split, and the model's logits for their windows."""

    labels: Sequence[int]
    logits: Logits

    def probabilities(self, temperature: float, window_rule: str, bias: float = 0.0) -> list[float]:
        return probabilities(self.logits, temperature, window_rule, bias)


@dataclass(frozen=True, slots=True)
class PairedPredictions:
    """The same split by both models, with the number of tokens of each text."""

    int8: Predictions
    float32: Predictions
    tokens: list[int]


def predict(scorer: Scorer, examples: Sequence[Example]) -> Predictions:
    return Predictions(
        [example.label for example in examples],
        [scorer.window_logits(example.text) for example in track(examples)],
    )


def predict_both(
    artifact: Artifact, float32: Runtime, examples: Sequence[Example]
) -> PairedPredictions:
    with step(f"score {len(examples):,} test texts with the int8 model"):
        served = predict(Scorer(artifact), examples)
    with step(f"score {len(examples):,} test texts with the float32 model"):
        exact = predict(Scorer(artifact, float32), examples)
    return PairedPredictions(
        int8=served,
        float32=exact,
        tokens=[len(artifact.tokenizer.encode(example.text)) for example in examples],
    )


def score_all(scorer: Scorer, examples: Sequence[Example]) -> list[Score]:
    """Return the scores that a worker would store; it would reject texts without tokens."""
    scores = []
    for example in track(examples):
        with suppress(TextRefused):
            scores.append(scorer.score(example.text))
    return scores


def probabilities(
    logits: Logits, temperature: float, window_rule: str, bias: float = 0.0
) -> list[float]:
    """Return each text's probability, computed as in `Scorer.score`."""
    return [
        combine([calibrated(logit, temperature, bias) for logit in windows], window_rule)
        for windows in logits
    ]
