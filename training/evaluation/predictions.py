"""Predictions of a version for labelled texts, by the int8 model and by the float32 SavedModel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from plumbline_client.errors import TextRefused
from scoring.artifact.artifact import Artifact
from scoring.input.windows import combine
from scoring.runtime.protocol import Runtime
from scoring.score import Score, calibrated
from scoring.scorer import Scorer
from training.data.examples import Example
from training.evaluation.threads import map_in_threads, threads_for
from training.steps import track

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


def scorers_of(artifact: Artifact, texts: int, runtime: Runtime | None = None) -> list[Scorer]:
    """Return a scorer per thread: of the int8 model, or all of a `runtime` that threads share."""
    return [Scorer(artifact, runtime) for _ in range(threads_for(texts))]


def predict(scorers: Sequence[Scorer], examples: Sequence[Example]) -> Predictions:
    """Score the texts with as many threads as there are scorers; the result is that of one."""
    logits = map_in_threads(
        [scorer.window_logits for scorer in scorers], [example.text for example in examples]
    )
    return Predictions(
        [example.label for example in examples],
        [windows for _, windows in zip(track(examples), logits, strict=True)],
    )


def score_all(scorers: Sequence[Scorer], examples: Sequence[Example]) -> list[Score]:
    """Return the scores that a worker would store; it would reject texts without tokens."""
    scores = map_in_threads(
        [partial(_score, scorer) for scorer in scorers], [example.text for example in examples]
    )
    return [score for _, score in zip(track(examples), scores, strict=True) if score is not None]


def _score(scorer: Scorer, text: str) -> Score | None:
    try:
        return scorer.score(text)
    except TextRefused:
        return None


def probabilities(
    logits: Logits, temperature: float, window_rule: str, bias: float = 0.0
) -> list[float]:
    """Return each text's probability, computed as in `Scorer.score`."""
    return [
        combine([calibrated(logit, temperature, bias) for logit in windows], window_rule)
        for windows in logits
    ]
