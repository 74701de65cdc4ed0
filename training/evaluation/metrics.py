"""How good a version is, measured on the int8 model that will serve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# In tokens of the text itself; the last bucket is open.
LENGTH_EDGES = (0, 16, 32, 64, 128, 256, 512)


@dataclass(frozen=True, slots=True)
class Confusion:
    """True and false positives, false and true negatives, at probability 0.5."""

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def rows(self) -> int:
        return self.tp + self.fp + self.fn + self.tn

    @property
    def positives(self) -> int:
        return self.tp + self.fn

    @property
    def accuracy(self) -> float:
        return (self.tp + self.tn) / max(self.rows, 1)

    @property
    def precision(self) -> float:
        """0 where nothing was called positive."""
        return self.tp / max(self.tp + self.fp, 1)

    @property
    def recall(self) -> float:
        """0 where nothing is positive."""
        return self.tp / max(self.positives, 1)

    @property
    def f1(self) -> float:
        """2 tp / (2 tp + fp + fn), which is the harmonic mean of precision and recall."""
        return 2 * self.tp / max(2 * self.tp + self.fp + self.fn, 1)


@dataclass(frozen=True, slots=True)
class Metrics:
    """Of the positive class at probability 0.5; `auc` by ranks (Mann-Whitney), ties count half."""

    rows: int
    positives: int
    accuracy: float
    precision: float
    recall: float
    f1: float
    auc: float


@dataclass(frozen=True, slots=True)
class Parity:
    """int8 against float32 on the same texts."""

    largest_difference: float
    changed_decisions: float


@dataclass(frozen=True, slots=True)
class LengthRow:
    """The texts of `lower` to `upper` tokens, both included; `upper` is None for the open end."""

    lower: int
    upper: int | None
    confusion: Confusion


def confusion(labels: Sequence[int], probabilities: Sequence[float]) -> Confusion:
    truth = np.asarray(labels, dtype=bool)
    said = np.asarray(probabilities, dtype=np.float64) >= 0.5
    return Confusion(
        tp=int(np.sum(said & truth)),
        fp=int(np.sum(said & ~truth)),
        fn=int(np.sum(~said & truth)),
        tn=int(np.sum(~said & ~truth)),
    )


def measure(labels: Sequence[int], probabilities: Sequence[float]) -> Metrics:
    """Both classes must be among `labels`: an AUC of one class is none."""
    counts = confusion(labels, probabilities)
    return Metrics(
        rows=counts.rows,
        positives=counts.positives,
        accuracy=counts.accuracy,
        precision=counts.precision,
        recall=counts.recall,
        f1=counts.f1,
        auc=_auc(np.asarray(labels, dtype=bool), np.asarray(probabilities, dtype=np.float64)),
    )


def by_length(
    labels: Sequence[int],
    probabilities: Sequence[float],
    tokens: Sequence[int],
    edges: Sequence[int] = LENGTH_EDGES,
) -> list[LengthRow]:
    """One row for each bucket that holds a text: edges 0, 16, 32 make 0-16, 17-32 and over 32."""
    truth, scores = np.asarray(labels), np.asarray(probabilities)
    lengths = np.asarray(tokens)
    bounds = [edges[0] - 1, *edges[1:], np.iinfo(np.int64).max]
    rows = []
    for number, (above, upto) in enumerate(pairwise(bounds)):
        inside = (lengths > above) & (lengths <= upto)
        if inside.any():
            upper = edges[number + 1] if number + 1 < len(edges) else None
            counts = confusion(truth[inside].tolist(), scores[inside].tolist())
            rows.append(LengthRow(above + 1, upper, counts))
    return rows


def compare(int8: Sequence[float], float32: Sequence[float], threshold: float = 0.5) -> Parity:
    """A decision is positive, negative or, with less confidence than `threshold`, for review."""
    served, exact = np.asarray(int8), np.asarray(float32)
    return Parity(
        largest_difference=float(np.max(np.abs(served - exact))),
        changed_decisions=float(np.mean(_decided(served, threshold) != _decided(exact, threshold))),
    )


def _decided(probabilities: Floats, threshold: float) -> NDArray[np.int8]:
    """1 for positive, -1 for negative, 0 for review; as `scoring.score.decide` decides."""
    positive = probabilities >= 0.5
    sure = np.where(positive, probabilities, 1.0 - probabilities) >= threshold
    return np.where(sure, np.where(positive, 1, -1), 0).astype(np.int8)


def _auc(truth: NDArray[np.bool_], scores: Floats) -> float:
    positive, negative = scores[truth], np.sort(scores[~truth])
    below = np.searchsorted(negative, positive, side="left")
    ties = np.searchsorted(negative, positive, side="right") - below
    return float(np.sum(below + 0.5 * ties) / (len(positive) * len(negative)))
