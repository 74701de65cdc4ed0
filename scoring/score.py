"""The score of a text, and the rule that turns a probability into a label and a decision."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from plumbline_client.review import REVIEW, review_reason


class Decision(StrEnum):
    """What the caller should do. REVIEW: see `plumbline_client.review`."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    REVIEW = REVIEW


@dataclass(frozen=True, slots=True)
class RankedLabel:
    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """How an artifact turns a probability into a label and a decision; see `decide` and `rank`.

    `labels` is (negative, positive). `threshold` is on confidence, in [0.5, 1].
    """

    labels: tuple[str, str] = ("negative", "positive")
    threshold: float = 0.7
    temperature: float = 1.0
    top_k: int = 1
    top_p: float = 1.0


@dataclass(frozen=True, slots=True)
class Score:
    """The result for one text. Probabilities are in [0, 1], durations in milliseconds.

    `probability` is that of the positive label, `confidence` that of the predicted label.
    `features` are the numbers that drift is computed from (see `scoring.input.features`). `notes`
    name what was replaced in the text, and what the model did not read of it.
    """

    probability: float
    label: str
    confidence: float
    decision: Decision
    ranked: tuple[RankedLabel, ...]
    tokens: int
    windows: int
    window_rule: str
    tokenize_ms: float
    infer_ms: float
    features: dict[str, float]
    notes: tuple[str, ...]
    model: str

    @property
    def score_ms(self) -> float:
        return self.tokenize_ms + self.infer_ms

    @property
    def review_reason(self) -> str | None:
        """Why the decision is `review`, in words; None if it is not."""
        return review_reason(self.decision, self.notes)


def sigmoid(logit: float) -> float:
    """1 / (1 + e^-x), without overflow for large negative x."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    growth = math.exp(logit)
    return growth / (1.0 + growth)


def calibrated(logit: float, temperature: float, bias: float = 0.0) -> float:
    """Return the positive label's probability for the logit of one window.

    Platt (1999) with slope 1 / temperature. A bias of 0 leaves temperature scaling.
    """
    return sigmoid(logit / temperature + bias)


def decide(probability: float, rule: DecisionRule) -> tuple[str, float, Decision]:
    """Return (label, confidence, decision) for the positive label's probability."""
    positive = probability >= 0.5
    confidence = probability if positive else 1.0 - probability
    label = rule.labels[1] if positive else rule.labels[0]
    if confidence < rule.threshold:
        return label, confidence, Decision.REVIEW
    return label, confidence, Decision.POSITIVE if positive else Decision.NEGATIVE


def rank(probability: float, rule: DecisionRule) -> tuple[RankedLabel, ...]:
    """Return the most probable labels: at most `top_k`, and as few as reach `top_p`."""
    ranked = sorted(
        (RankedLabel(rule.labels[0], 1.0 - probability), RankedLabel(rule.labels[1], probability)),
        key=lambda entry: entry.probability,
        reverse=True,
    )
    kept: list[RankedLabel] = []
    for entry in ranked[: rule.top_k]:
        kept.append(entry)
        if sum(label.probability for label in kept) >= rule.top_p:
            break
    return tuple(kept)
