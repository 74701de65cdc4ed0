"""Whether a probability means what it says: the temperature, and what is measured with it.

The temperature is fitted on the validation split; the test split only tells how well that went.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from scoring.input.windows import combine
from scoring.score import sigmoid
from training.evaluation.metrics import Confusion, confusion

# A model that answers 0 to everything must not lead to a temperature of 0.
COLDEST = 0.01
# Twenty times as hot, and the typical confidence is about 0.6.
HOTTEST_BY_COLDEST = 20.0
TOLERANCE = 1e-4
GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
BINS = 15
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.99)

Logits = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Texts whose confidence lies in [lower, upper): how sure they were, how often rightly."""

    lower: float
    upper: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """`ece` is the expected calibration error (Naeini et al., 2015), by the predicted label's
    confidence; `brier` the mean squared error of the probability (Brier, 1950); `log_loss` in nats.

    `bins` leaves the empty ones out.
    """

    rows: int
    ece: float
    brier: float
    log_loss: float
    bins: list[ReliabilityBin]


@dataclass(frozen=True, slots=True)
class ThresholdRow:
    """What a threshold on confidence would do: `decided` is the share of texts that get a label.

    The other measures are among those decided, and None where they have nothing to count.
    """

    threshold: float
    decided: float
    reviews: int
    accuracy: float | None
    precision: float | None
    recall: float | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """calibration.json. "Before" is at temperature 1; `thresholds` are of the validation split."""

    temperature: float
    window_rule: str
    validation_before: Reliability
    validation_after: Reliability
    test_before: Reliability
    test_after: Reliability
    thresholds: list[ThresholdRow]

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Answers:
    """A split as the model answered it: each text's label, and the logits of its windows."""

    labels: Sequence[int]
    logits: Logits

    def probabilities(self, temperature: float, rule: str) -> list[float]:
        return probabilities(self.logits, temperature, rule)


def calibrate(validation: Answers, test: Answers, rule: str) -> Calibration:
    """Fit on validation, and tell what that does to both splits."""
    temperature = fit_temperature(validation.logits, validation.labels, rule)

    def reliable(split: Answers, at: float) -> Reliability:
        return reliability(split.labels, split.probabilities(at, rule))

    return Calibration(
        temperature=temperature,
        window_rule=rule,
        validation_before=reliable(validation, 1.0),
        validation_after=reliable(validation, temperature),
        test_before=reliable(test, 1.0),
        test_after=reliable(test, temperature),
        thresholds=thresholds(validation.labels, validation.probabilities(temperature, rule)),
    )


def probabilities(logits: Logits, temperature: float, rule: str) -> list[float]:
    """Each text's probability from the logits of its windows, as `Scorer.score` makes it."""
    return [
        combine([sigmoid(logit / temperature) for logit in windows], rule) for windows in logits
    ]


def fit_temperature(logits: Logits, labels: Sequence[int], rule: str) -> float:
    """The temperature of least negative log-likelihood (Guo et al., 2017), on validation texts.

    Training with smoothed labels leaves logits too small on purpose, so below 1 is usual. See
    `coldest` for the bound.
    """

    def loss(log_temperature: float) -> float:
        return _log_loss(labels, probabilities(logits, math.exp(log_temperature), rule))

    low = math.log(coldest(logits))
    return math.exp(_minimum(loss, low, low + math.log(HOTTEST_BY_COLDEST)))


def coldest(logits: Logits) -> float:
    """The temperature at which the typical confidence is 1 - 1 / (n + 2), for n texts.

    Were all texts told apart, the likelihood alone would ask for 0 and for certainty; by the rule
    of succession (Laplace, 1814) n right answers in n support no more than this.
    """
    typical = float(np.median(np.abs(np.concatenate([np.asarray(w) for w in logits]))))
    return max(typical / math.log(len(logits) + 1), COLDEST)


def reliability(
    labels: Sequence[int], probabilities: Sequence[float], bins: int = BINS
) -> Reliability:
    """Bins of equal width over confidence 0.5 to 1: of two labels, the likelier has no less."""
    truth, scores = np.asarray(labels, dtype=bool), np.asarray(probabilities, dtype=np.float64)
    right, confidence = (scores >= 0.5) == truth, np.maximum(scores, 1.0 - scores)
    place = np.minimum(((confidence - 0.5) * 2 * bins).astype(int), bins - 1)
    edges = np.linspace(0.5, 1.0, bins + 1)
    filled = [
        ReliabilityBin(
            lower=float(edges[n]),
            upper=float(edges[n + 1]),
            count=int(np.sum(place == n)),
            confidence=float(np.mean(confidence[place == n])),
            accuracy=float(np.mean(right[place == n])),
        )
        for n in np.unique(place).tolist()
    ]
    gaps = [entry.count * abs(entry.confidence - entry.accuracy) for entry in filled]
    return Reliability(
        rows=len(truth),
        ece=sum(gaps) / len(truth),
        brier=float(np.mean((scores - truth) ** 2)),
        log_loss=_log_loss(labels, probabilities),
        bins=filled,
    )


def thresholds(
    labels: Sequence[int], probabilities: Sequence[float], at: Sequence[float] = THRESHOLDS
) -> list[ThresholdRow]:
    truth, scores = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    confidence = np.maximum(scores, 1.0 - scores)
    rows = []
    for threshold in at:
        decided = confidence >= threshold
        counts = confusion(truth[decided].tolist(), scores[decided].tolist())
        rows.append(_threshold_row(threshold, counts, len(truth)))
    return rows


def _threshold_row(threshold: float, counts: Confusion, rows: int) -> ThresholdRow:
    return ThresholdRow(
        threshold=threshold,
        decided=counts.rows / rows,
        reviews=rows - counts.rows,
        accuracy=counts.accuracy if counts.rows else None,
        precision=counts.precision if counts.tp + counts.fp else None,
        recall=counts.recall if counts.positives else None,
    )


def _log_loss(labels: Sequence[int], probabilities: Sequence[float]) -> float:
    """Mean negative log-likelihood in nats."""
    truth = np.asarray(labels, dtype=bool)
    # In float64 a logit above 37 is a probability of exactly 1, whose error would be infinite.
    scores = np.clip(np.asarray(probabilities, dtype=np.float64), 1e-15, 1.0 - 1e-15)
    return float(-np.mean(np.log(np.where(truth, scores, 1.0 - scores))))


def _minimum(function: Callable[[float], float], low: float, high: float) -> float:
    """Golden-section search (Kiefer, 1953) for the least of a function with one valley."""
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > TOLERANCE:
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - GOLDEN * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + GOLDEN * (high - low)
            at_right = function(right)
    return (low + high) / 2
