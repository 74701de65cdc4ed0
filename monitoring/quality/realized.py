"""Realized quality: metrics of predictions whose labels have arrived."""

from __future__ import annotations

from dataclasses import dataclass

from scoring.intervals import Interval, wilson
from storage.tables import Metric


@dataclass(frozen=True, slots=True)
class ConfusionCounts:
    """True and false positives, false and true negatives among the labelled rows."""

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def rows(self) -> int:
        return self.tp + self.fp + self.fn + self.tn


@dataclass(frozen=True, slots=True)
class RealizedMetric:
    """A metric and its 95% interval, in [0, 1].

    The interval is for texts like the labelled ones. It does not cover the others unless the texts
    to be labelled are chosen at random.
    """

    value: float
    low: float
    high: float


def realized_metrics(counts: ConfusionCounts) -> dict[Metric, RealizedMetric | None]:
    """Return every metric with Wilson's interval; None for one whose denominator is zero."""
    union = counts.tp + counts.fp + counts.fn
    return {
        Metric.ACCURACY: share(counts.tp + counts.tn, counts.rows),
        Metric.PRECISION: share(counts.tp, counts.tp + counts.fp),
        Metric.RECALL: share(counts.tp, counts.tp + counts.fn),
        Metric.F1: f1(counts.tp, union),
    }


def share(successes: int, trials: int) -> RealizedMetric | None:
    if trials == 0:
        return None
    return _with_interval(successes / trials, wilson(successes, trials))


def f1(tp: int, union: int) -> RealizedMetric | None:
    """Return F1, given the `union` of rows that are positive or predicted positive.

    F1 = 2J / (1 + J) grows with Jaccard's J = tp / union, which is a share. The bounds of F1 are
    therefore those of J, without resampling. Unlike bootstrap bounds they are not equal if no
    prediction is wrong.
    """
    if union == 0:
        return None
    bounds = wilson(tp, union)
    return _with_interval(_f1(tp / union), Interval(_f1(bounds.low), _f1(bounds.high)))


def _f1(jaccard: float) -> float:
    return 2 * jaccard / (1 + jaccard)


def _with_interval(value: float, bounds: Interval) -> RealizedMetric:
    return RealizedMetric(value, bounds.low, bounds.high)
