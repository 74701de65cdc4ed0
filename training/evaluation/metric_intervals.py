"""How far chance alone may have moved a metric: 95% intervals, and the spread over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np
from numpy.typing import NDArray

from scoring.intervals import COVERAGE, Interval, wilson
from training.evaluation.metrics import ConfusionMatrix, confusion_matrix

Floats = NDArray[np.float64]
DRAWS = 2_000
# Draws computed at a time: a few megabytes for a few thousand texts.
DRAWS_PER_CHUNK = 100


@dataclass(frozen=True, slots=True)
class MetricIntervals:
    """Intervals of the fields of `Metrics` with the same names."""

    accuracy: Interval
    precision: Interval
    recall: Interval
    f1: Interval
    auc: Interval
    negative_recall: Interval
    balanced_accuracy: Interval
    mcc: Interval


@dataclass(frozen=True, slots=True)
class Spread:
    """A metric over runs that differ in their seed. `sd` is the sample's, 0 for a single run."""

    runs: int
    mean: float
    low: float
    high: float
    sd: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Raises ValueError without values."""
        if not values:
            raise ValueError("a spread needs at least one value")
        sd = stdev(values) if len(values) > 1 else 0.0
        return cls(len(values), fmean(values), min(values), max(values), sd)


def metric_intervals(
    labels: Sequence[int],
    probabilities: Sequence[float],
    *,
    coverage: float = COVERAGE,
    draws: int = DRAWS,
    seed: int = 7,
) -> MetricIntervals:
    """Return Wilson intervals for shares, bootstrap percentiles (Efron, 1979) for the others.

    If every text is classified correctly, the bootstrap does not vary and its interval is a point.
    """
    counts = confusion_matrix(labels, probabilities)
    random = np.random.default_rng(seed)
    scores, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=bool)
    f1 = _percentiles(_f1_draws(counts, draws, random), coverage)
    auc = _percentiles(_auc_draws(truth, scores, draws, random), coverage)
    balanced, mcc = _both_classes_draws(counts, draws, random)
    return MetricIntervals(
        accuracy=wilson(counts.tp + counts.tn, counts.rows, coverage),
        precision=wilson(counts.tp, counts.tp + counts.fp, coverage),
        recall=wilson(counts.tp, counts.positives, coverage),
        f1=f1,
        auc=auc,
        negative_recall=wilson(counts.tn, counts.negatives, coverage),
        balanced_accuracy=_percentiles(balanced, coverage),
        mcc=_percentiles(mcc, coverage),
    )


def _f1_draws(counts: ConfusionMatrix, draws: int, random: np.random.Generator) -> Floats:
    """Draw texts with replacement, which for counts is one multinomial draw."""
    cells = np.array([counts.tp, counts.fp, counts.fn, counts.tn])
    drawn = random.multinomial(counts.rows, cells / counts.rows, size=draws)
    tp, wrong = drawn[:, 0], drawn[:, 1] + drawn[:, 2]
    f1: Floats = 2 * tp / np.maximum(2 * tp + wrong, 1)
    return f1


def _both_classes_draws(
    counts: ConfusionMatrix, draws: int, random: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draw each class separately; return balanced accuracy and MCC (0 where undefined)."""
    tp = random.binomial(counts.positives, counts.recall, draws).astype(np.float64)
    tn = random.binomial(counts.negatives, counts.negative_recall, draws).astype(np.float64)
    fn, fp = counts.positives - tp, counts.negatives - tn
    balanced = (tp / max(counts.positives, 1) + tn / max(counts.negatives, 1)) / 2
    product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    mcc = np.where(product > 0, (tp * tn - fp * fn) / np.sqrt(np.maximum(product, 1.0)), 0.0)
    return balanced, mcc


def _auc_draws(
    truth: NDArray[np.bool_], scores: Floats, draws: int, random: np.random.Generator
) -> Floats:
    """Draw each class separately, so that no draw contains only one class."""
    values, value_of = np.unique(scores, return_inverse=True)
    chunks = []
    for start in range(0, draws, DRAWS_PER_CHUNK):
        shape = (min(DRAWS_PER_CHUNK, draws - start), len(values))
        positive = _draw_counts(value_of[truth], shape, random)
        negative = _draw_counts(value_of[~truth], shape, random)
        below = np.cumsum(negative, axis=1) - negative
        wins = np.sum(positive * (below + 0.5 * negative), axis=1)
        chunks.append(wins / (truth.sum() * (~truth).sum()))
    return np.concatenate(chunks)


def _draw_counts(
    value_of: NDArray[np.intp], shape: tuple[int, int], random: np.random.Generator
) -> NDArray[np.intp]:
    """Count how often each of `shape[1]` values occurs in `shape[0]` draws with replacement."""
    drawn = value_of[random.integers(len(value_of), size=(shape[0], len(value_of)))]
    flat = drawn + shape[1] * np.arange(shape[0])[:, None]
    return np.bincount(flat.ravel(), minlength=shape[0] * shape[1]).reshape(shape)


def _percentiles(values: Floats, coverage: float) -> Interval:
    tail = 100 * (1 - coverage) / 2
    low, high = np.percentile(values, [tail, 100 - tail])
    return Interval(float(low), float(high))
