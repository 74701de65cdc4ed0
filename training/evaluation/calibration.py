"""Calibration: fits temperature and bias, and measures how reliable the probabilities are.

Both are fitted on the validation split; the test split only measures the result.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scoring.input.windows import combine
from training.evaluation.metrics import ConfusionMatrix, confusion_matrix
from training.evaluation.predictions import Logits, Predictions

# The lower bound for a model whose logits are all 0.
MIN_TEMPERATURE = 0.01
# At twenty times the lowest temperature, the typical confidence is about 0.6.
HIGHEST_BY_LOWEST = 20.0
TOLERANCE = 1e-4
# In logits. A bias of 10 turns certainty into its opposite.
MAX_BIAS = 10.0
BIAS_TOLERANCE = 1e-3
# Temperature and bias are fitted in turn, until the bias stays.
BIAS_ROUNDS = 20
CHANCE_DRAWS = 2_000
GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
BINS = 15
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.99)


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Mean confidence and accuracy of the `count` texts with a confidence in [lower, upper)."""

    lower: float
    upper: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """`ece` is the expected calibration error (Naeini et al., 2015) over the confidence in the
    predicted label; `brier` the mean squared error of the probability (Brier, 1950); `log_loss` is
    in nats. `bins` omits empty bins.
    """

    rows: int
    ece: float
    brier: float
    log_loss: float
    bins: list[ReliabilityBin]


@dataclass(frozen=True, slots=True)
class ThresholdRow:
    """The effect of a threshold on confidence. `decided` is the share of texts that get a label.

    The other measures are those of the decided texts, None if there are no texts to count.
    """

    threshold: float
    decided: float
    reviews: int
    accuracy: float | None
    precision: float | None
    recall: float | None


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """The content of calibration.json. "before" means at temperature 1 and bias 0.

    `thresholds` are measured on the validation split.
    """

    temperature: float
    window_rule: str
    validation_before: Reliability
    validation_after: Reliability
    test_before: Reliability
    test_after: Reliability
    thresholds: list[ThresholdRow]
    bias: float = 0.0

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def calibrate(validation: Predictions, test: Predictions, window_rule: str) -> CalibrationReport:
    """Fit temperature and bias on the validation split and measure both splits with them."""
    temperature, bias = fit_calibration(validation.logits, validation.labels, window_rule)

    def reliability_at(split: Predictions, temperature: float, bias: float = 0.0) -> Reliability:
        return reliability(split.labels, split.probabilities(temperature, window_rule, bias))

    return CalibrationReport(
        temperature=temperature,
        window_rule=window_rule,
        validation_before=reliability_at(validation, 1.0),
        validation_after=reliability_at(validation, temperature, bias),
        test_before=reliability_at(test, 1.0),
        test_after=reliability_at(test, temperature, bias),
        thresholds=threshold_table(
            validation.labels, validation.probabilities(temperature, window_rule, bias)
        ),
        bias=bias,
    )


def fit_calibration(logits: Logits, labels: Sequence[int], window_rule: str) -> tuple[float, float]:
    """Return temperature and bias; the bias is 0 unless the labels are evidence for one.

    A bias (Platt, 1999) is kept if it lowers the log loss of n texts by more than ln(n) / 2 in all,
    as Schwarz (1978) asks of a parameter: with few errors, its estimate is mostly chance.
    """
    loss = _Loss.of(logits, labels, window_rule)
    plain = fit_temperature(logits, labels, window_rule)
    temperature, bias = plain, 0.0
    for _ in range(BIAS_ROUNDS):
        before = bias
        bias = _minimum(partial(loss, temperature), -MAX_BIAS, MAX_BIAS)
        temperature = fit_temperature(logits, labels, window_rule, bias)
        if abs(bias - before) < BIAS_TOLERANCE:
            break
    gain = len(labels) * (loss(plain, 0.0) - loss(temperature, bias))
    return (temperature, bias) if gain > math.log(len(labels)) / 2 else (plain, 0.0)


def fit_temperature(
    logits: Logits, labels: Sequence[int], window_rule: str, bias: float = 0.0
) -> float:
    """Return the temperature of least negative log-likelihood (Guo et al., 2017).

    A value below 1 is usual, because training with smoothed labels keeps logits small. The result
    is at least `lowest_temperature`.
    """
    fitted = _Loss.of(logits, labels, window_rule)

    def loss(log_temperature: float) -> float:
        return fitted(math.exp(log_temperature), bias)

    low = math.log(lowest_temperature(logits))
    return math.exp(_minimum(loss, low, low + math.log(HIGHEST_BY_LOWEST)))


@dataclass(frozen=True, slots=True, eq=False)
class _Loss:
    """The log loss at a temperature and bias, for the hundreds of calls of a fit.

    `flat` are the logits of all windows, and `starts` the first window of each text.
    """

    flat: NDArray[np.float64]
    starts: NDArray[np.intp]
    labels: Sequence[int]
    window_rule: str

    @classmethod
    def of(cls, logits: Logits, labels: Sequence[int], window_rule: str) -> _Loss:
        windows = [len(text) for text in logits]
        flat = np.array([logit for text in logits for logit in text], dtype=np.float64)
        return cls(flat, np.cumsum([0, *windows[:-1]]), labels, window_rule)

    def __call__(self, temperature: float, bias: float) -> float:
        # tanh, because exp overflows for large negative logits.
        of_windows = 0.5 + 0.5 * np.tanh((self.flat / temperature + bias) / 2)
        if len(self.flat) == len(self.starts):
            return _log_loss(self.labels, of_windows)
        texts = np.split(of_windows, self.starts[1:])
        return _log_loss(self.labels, [combine(text.tolist(), self.window_rule) for text in texts])


def lowest_temperature(logits: Logits) -> float:
    """Return the temperature at which the typical confidence is 1 - 1 / (n + 2), for n texts.

    If every text is classified correctly, the likelihood alone leads to a temperature of 0 and to
    certainty. By the rule of succession (Laplace, 1814), n correct of n support no more than this.
    """
    typical = float(np.median(np.abs(np.concatenate([np.asarray(w) for w in logits]))))
    return max(typical / math.log(len(logits) + 1), MIN_TEMPERATURE)


def reliability(
    labels: Sequence[int], probabilities: Sequence[float], bins: int = BINS
) -> Reliability:
    """Measure in bins of equal width from 0.5 to 1, the lowest confidence with two labels."""
    truth, scores = np.asarray(labels, dtype=bool), np.asarray(probabilities, dtype=np.float64)
    correct, confidence = (scores >= 0.5) == truth, np.maximum(scores, 1.0 - scores)
    bin_of = np.minimum(((confidence - 0.5) * 2 * bins).astype(int), bins - 1)
    edges = np.linspace(0.5, 1.0, bins + 1)
    filled = [
        ReliabilityBin(
            lower=float(edges[n]),
            upper=float(edges[n + 1]),
            count=int(np.sum(bin_of == n)),
            confidence=float(np.mean(confidence[bin_of == n])),
            accuracy=float(np.mean(correct[bin_of == n])),
        )
        for n in np.unique(bin_of).tolist()
    ]
    gaps = [entry.count * abs(entry.confidence - entry.accuracy) for entry in filled]
    return Reliability(
        rows=len(truth),
        ece=sum(gaps) / len(truth),
        brier=float(np.mean((scores - truth) ** 2)),
        log_loss=_log_loss(labels, probabilities),
        bins=filled,
    )


def chance_ece(probabilities: Sequence[float], bins: int = BINS, seed: int = 7) -> float:
    """Return the ECE that one in a hundred calibrated versions with these probabilities exceeds.

    Labels are drawn with exactly these probabilities.
    """
    scores = np.asarray(probabilities, dtype=np.float64)
    confidence = np.sort(np.maximum(scores, 1.0 - scores))
    bin_of = np.minimum(((confidence - 0.5) * 2 * bins).astype(int), bins - 1)
    starts = np.flatnonzero(np.diff(bin_of, prepend=-1))
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(CHANCE_DRAWS):
        gaps = confidence - (random.random(len(confidence)) < confidence)
        drawn.append(np.abs(np.add.reduceat(gaps, starts)).sum() / len(confidence))
    return float(np.quantile(drawn, 0.99))


def threshold_table(
    labels: Sequence[int], probabilities: Sequence[float], thresholds: Sequence[float] = THRESHOLDS
) -> list[ThresholdRow]:
    truth, scores = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    confidence = np.maximum(scores, 1.0 - scores)
    rows = []
    for threshold in thresholds:
        decided = confidence >= threshold
        counts = confusion_matrix(truth[decided].tolist(), scores[decided].tolist())
        rows.append(_threshold_row(threshold, counts, len(truth)))
    return rows


def _threshold_row(threshold: float, counts: ConfusionMatrix, rows: int) -> ThresholdRow:
    return ThresholdRow(
        threshold=threshold,
        decided=counts.rows / rows,
        reviews=rows - counts.rows,
        accuracy=counts.if_defined("accuracy"),
        precision=counts.if_defined("precision"),
        recall=counts.if_defined("recall"),
    )


def _log_loss(labels: Sequence[int], probabilities: Sequence[float] | NDArray[np.float64]) -> float:
    """Return the mean negative log-likelihood in nats."""
    truth = np.asarray(labels, dtype=bool)
    # In float64 a logit above 37 is a probability of exactly 1, whose loss could be infinite.
    scores = np.clip(np.asarray(probabilities, dtype=np.float64), 1e-15, 1.0 - 1e-15)
    return float(-np.mean(np.log(np.where(truth, scores, 1.0 - scores))))


def _minimum(function: Callable[[float], float], low: float, high: float) -> float:
    """Find the minimum of a unimodal function by golden-section search (Kiefer, 1953)."""
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
