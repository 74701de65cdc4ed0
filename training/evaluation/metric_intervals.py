"""How far chance alone could have moved a measure: 95% intervals, and the spread over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np
from numpy.typing import NDArray

from scoring.intervals import COVERAGE, Interval, wilson
from training.evaluation.metrics import Confusion, confusion

Floats = NDArray[np.float64]
DRAWS = 2_000
# Draws worked on at a time: a few megabytes for a few thousand texts.
CHUNK = 100


@dataclass(frozen=True, slots=True)
class Intervals:
    """Of the measures of the same names in `Metrics`."""

    accuracy: Interval
    precision: Interval
    recall: Interval
    f1: Interval
    auc: Interval


@dataclass(frozen=True, slots=True)
class Spread:
    """Over runs that differ in their seed; `sd` is the sample's, 0 for a single run."""

    runs: int
    mean: float
    low: float
    high: float
    sd: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Raises ValueError for no values."""
        if not values:
            raise ValueError("a spread needs at least one value")
        sd = stdev(values) if len(values) > 1 else 0.0
        return cls(len(values), fmean(values), min(values), max(values), sd)


def intervals(
    labels: Sequence[int],
    probabilities: Sequence[float],
    *,
    coverage: float = COVERAGE,
    draws: int = DRAWS,
    seed: int = 7,
) -> Intervals:
    """Wilson's for the shares, bootstrap percentiles (Efron, 1979) for F1 and AUC.

    Where not one text is wrong a bootstrap has nothing to vary, and its interval is a point.
    """
    counts = confusion(labels, probabilities)
    random = np.random.default_rng(seed)
    scores, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=bool)
    return Intervals(
        accuracy=wilson(counts.tp + counts.tn, counts.rows, coverage),
        precision=wilson(counts.tp, counts.tp + counts.fp, coverage),
        recall=wilson(counts.tp, counts.positives, coverage),
        f1=_percentiles(_f1_draws(counts, draws, random), coverage),
        auc=_percentiles(_auc_draws(truth, scores, draws, random), coverage),
    )


def _f1_draws(counts: Confusion, draws: int, random: np.random.Generator) -> Floats:
    """Drawing texts with replacement is, for counts, one multinomial draw."""
    cells = np.array([counts.tp, counts.fp, counts.fn, counts.tn])
    drawn = random.multinomial(counts.rows, cells / counts.rows, size=draws)
    tp, wrong = drawn[:, 0], drawn[:, 1] + drawn[:, 2]
    found: Floats = 2 * tp / np.maximum(2 * tp + wrong, 1)
    return found


def _auc_draws(
    truth: NDArray[np.bool_], scores: Floats, draws: int, random: np.random.Generator
) -> Floats:
    """Each class is drawn by itself, so that no draw is left with one class only."""
    values, place = np.unique(scores, return_inverse=True)
    found = []
    for start in range(0, draws, CHUNK):
        shape = (min(CHUNK, draws - start), len(values))
        positive = _drawn(place[truth], shape, random)
        negative = _drawn(place[~truth], shape, random)
        below = np.cumsum(negative, axis=1) - negative
        wins = np.sum(positive * (below + 0.5 * negative), axis=1)
        found.append(wins / (truth.sum() * (~truth).sum()))
    return np.concatenate(found)


def _drawn(
    place: NDArray[np.intp], shape: tuple[int, int], random: np.random.Generator
) -> NDArray[np.intp]:
    """How often each of `shape[1]` values comes in each of `shape[0]` draws with replacement."""
    drawn = place[random.integers(len(place), size=(shape[0], len(place)))]
    flat = drawn + shape[1] * np.arange(shape[0])[:, None]
    return np.bincount(flat.ravel(), minlength=shape[0] * shape[1]).reshape(shape)


def _percentiles(values: Floats, coverage: float) -> Interval:
    tail = 100 * (1 - coverage) / 2
    low, high = np.percentile(values, [tail, 100 - tail])
    return Interval(float(low), float(high))
