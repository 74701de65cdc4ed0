"""How good predictions were, by the labels that came later."""

from __future__ import annotations

from dataclasses import dataclass

from scoring.intervals import Interval, wilson
from storage.tables import Metric


@dataclass(frozen=True, slots=True)
class Confusion:
    """True and false positives, false and true negatives among the rows that have labels."""

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def rows(self) -> int:
        return self.tp + self.fp + self.fn + self.tn


@dataclass(frozen=True, slots=True)
class Realized:
    """A metric and its 95% interval, in [0, 1].

    The interval is for the texts like those that were labelled: it says nothing of those that were
    not, where labels are not asked for at random.
    """

    value: float
    low: float
    high: float


def realized(counts: Confusion) -> dict[Metric, Realized | None]:
    """Every metric, with Wilson's interval; None for one whose denominator is zero."""
    union = counts.tp + counts.fp + counts.fn
    return {
        Metric.ACCURACY: share(counts.tp + counts.tn, counts.rows),
        Metric.PRECISION: share(counts.tp, counts.tp + counts.fp),
        Metric.RECALL: share(counts.tp, counts.tp + counts.fn),
        Metric.F1: f1(counts.tp, union),
    }


def share(hits: int, of: int) -> Realized | None:
    return None if of == 0 else _told(hits / of, wilson(hits, of))


def f1(tp: int, union: int) -> Realized | None:
    """F1 of `tp` among the `union` of rows that are or are called positive.

    F1 = 2J / (1 + J), which grows with Jaccard's J = tp / union, a share: so the bounds of F1 are
    those of J, and no resampling is needed. Unlike a bootstrap's they have a width where nothing
    is wrong.
    """
    if union == 0:
        return None
    bounds = wilson(tp, union)
    return _told(_f1(tp / union), Interval(_f1(bounds.low), _f1(bounds.high)))


def _f1(jaccard: float) -> float:
    return 2 * jaccard / (1 + jaccard)


def _told(value: float, bounds: Interval) -> Realized:
    return Realized(value, bounds.low, bounds.high)
