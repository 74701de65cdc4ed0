"""Realized quality: metrics of predictions whose labels have arrived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scoring.intervals import wilson
from storage.states import Metric


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
class LabelledSource:
    """The counts of one source, whose labelled rows stand for all of its `rows`."""

    rows: int
    counts: ConfusionCounts


@dataclass(frozen=True, slots=True)
class RealizedMetric:
    """A metric and its 95% interval, in [0, 1].

    The interval is for texts like the labelled ones. It does not cover the others unless the texts
    to be labelled are chosen at random.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Share:
    """A share of weighted rows: those that count, all of them, and the squared weights of all."""

    hits: float = 0.0
    rows: float = 0.0
    squares: float = 0.0

    def __add__(self, other: Share) -> Share:
        return Share(self.hits + other.hits, self.rows + other.rows, self.squares + other.squares)

    def with_interval(self) -> RealizedMetric | None:
        """Return the share with Wilson's interval; None if there are no rows.

        Rows with unequal weights count as (sum of the weights)² / (sum of their squares) rows
        (Kish, Survey Sampling, 1965).
        """
        if not self.rows:
            return None
        rows = self.rows * self.rows / self.squares
        value = self.hits / self.rows
        bounds = wilson(value * rows, rows)
        return RealizedMetric(value, bounds.low, bounds.high)


def realized_metrics(sources: Sequence[LabelledSource]) -> dict[Metric, RealizedMetric | None]:
    """Return every metric with Wilson's interval; None for one whose denominator is zero.

    Each source counts by its rows, however many of them are labelled. Sources without labels are
    left out.
    """
    sources = [source for source in sources if source.counts.rows]
    # The weights of the labelled rows have a mean of 1, so those of a single source are exactly 1.
    mean = sum(source.rows for source in sources) / max(
        1, sum(source.counts.rows for source in sources)
    )
    accuracy, precision, recall, jaccard = Share(), Share(), Share(), Share()
    for source in sources:
        counts, weight = source.counts, source.rows / source.counts.rows / mean
        tp, fp, fn = counts.tp, counts.fp, counts.fn
        accuracy += _share(tp + counts.tn, counts.rows, weight)
        precision += _share(tp, tp + fp, weight)
        recall += _share(tp, tp + fn, weight)
        jaccard += _share(tp, tp + fp + fn, weight)
    return {
        Metric.ACCURACY: accuracy.with_interval(),
        Metric.PRECISION: precision.with_interval(),
        Metric.RECALL: recall.with_interval(),
        Metric.F1: f1(jaccard),
    }


def f1(jaccard: Share) -> RealizedMetric | None:
    """Return F1, given the share of true positives among rows that are or are predicted positive.

    F1 = 2J / (1 + J) grows with Jaccard's J = tp / (tp + fp + fn), which is a share. The bounds of
    F1 are therefore those of J, without resampling. Unlike bootstrap bounds they are not equal if
    no prediction is wrong.
    """
    share = jaccard.with_interval()
    if share is None:
        return None
    return RealizedMetric(_f1(share.value), _f1(share.low), _f1(share.high))


def _share(hits: int, rows: int, weight: float) -> Share:
    return Share(weight * hits, weight * rows, weight * weight * rows)


def _f1(jaccard: float) -> float:
    return 2 * jaccard / (1 + jaccard)
