"""Classification metrics of a version, of the int8 model that serves unless stated otherwise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MEASURES = (
    *("accuracy", "precision", "recall", "f1", "auc"),
    *("negative_recall", "balanced_accuracy", "mcc"),
)
# In tokens of the text itself; the last bucket has no upper end.
LENGTH_EDGES = (0, 16, 32, 64, 128, 256, 512)


@dataclass(frozen=True, slots=True)
class ConfusionMatrix:
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
    def negatives(self) -> int:
        return self.tn + self.fp

    @property
    def accuracy(self) -> float:
        return (self.tp + self.tn) / max(self.rows, 1)

    @property
    def precision(self) -> float:
        """0 if no text is predicted positive."""
        return self.tp / max(self.tp + self.fp, 1)

    @property
    def recall(self) -> float:
        """0 if no text is positive."""
        return self.tp / max(self.positives, 1)

    @property
    def f1(self) -> float:
        """2 tp / (2 tp + fp + fn), the harmonic mean of precision and recall."""
        return 2 * self.tp / max(2 * self.tp + self.fp + self.fn, 1)

    @property
    def negative_recall(self) -> float:
        """The share of negative texts that are predicted negative; 0 if no text is negative."""
        return self.tn / max(self.negatives, 1)

    @property
    def balanced_accuracy(self) -> float:
        """The mean recall of the two classes: 0.5 if every text has the same answer."""
        return (self.recall + self.negative_recall) / 2

    @property
    def mcc(self) -> float:
        """Matthews' correlation coefficient (1975): 0 if every text has the same answer."""
        product = (self.tp + self.fp) * self.positives * self.negatives * (self.tn + self.fn)
        if not product:
            return 0.0
        return (self.tp * self.tn - self.fp * self.fn) / math.sqrt(product)

    def if_defined(self, measure: str) -> float | None:
        """Return the measure, or None if there are no texts it could be computed from."""
        basis = {
            "accuracy": self.rows,
            "precision": self.tp + self.fp,
            "recall": self.positives,
            "f1": self.positives,
            "negative_recall": self.negatives,
        }[measure]
        return float(getattr(self, measure)) if basis else None


@dataclass(frozen=True, slots=True)
class Metrics:
    """Metrics of the positive class, or of both classes, at probability 0.5.

    `auc` is computed from ranks (Mann-Whitney); ties count half. The last three are not defined by
    the positive class: an answer that is the same for every text has 0 or 1, 0.5 and 0.
    """

    rows: int
    positives: int
    accuracy: float
    precision: float
    recall: float
    f1: float
    auc: float
    negative_recall: float
    balanced_accuracy: float
    mcc: float


@dataclass(frozen=True, slots=True)
class Parity:
    """int8 compared with float32 on the same texts.

    `largest_difference` is between probabilities. `changed_decisions` is the share of texts that
    get another label, by the rule of all metrics: positive from probability 0.5 on.
    `changed_reviews` is the share that only one of the two leaves to a person.
    """

    largest_difference: float
    changed_decisions: float
    changed_reviews: float


@dataclass(frozen=True, slots=True)
class LengthRow:
    """The texts of `lower` to `upper` tokens, both inclusive; `upper` is None for the open end."""

    lower: int
    upper: int | None
    confusion: ConfusionMatrix


def confusion_matrix(labels: Sequence[int], probabilities: Sequence[float]) -> ConfusionMatrix:
    truth = np.asarray(labels, dtype=bool)
    predicted = np.asarray(probabilities, dtype=np.float64) >= 0.5
    return ConfusionMatrix(
        tp=int(np.sum(predicted & truth)),
        fp=int(np.sum(predicted & ~truth)),
        fn=int(np.sum(~predicted & truth)),
        tn=int(np.sum(~predicted & ~truth)),
    )


def compute_metrics(labels: Sequence[int], probabilities: Sequence[float]) -> Metrics:
    """Compute all metrics. `labels` must contain both classes, otherwise AUC is undefined."""
    counts = confusion_matrix(labels, probabilities)
    return Metrics(
        rows=counts.rows,
        positives=counts.positives,
        accuracy=counts.accuracy,
        precision=counts.precision,
        recall=counts.recall,
        f1=counts.f1,
        auc=_auc(np.asarray(labels, dtype=bool), np.asarray(probabilities, dtype=np.float64)),
        negative_recall=counts.negative_recall,
        balanced_accuracy=counts.balanced_accuracy,
        mcc=counts.mcc,
    )


def confusion_by_length(
    labels: Sequence[int],
    probabilities: Sequence[float],
    tokens: Sequence[int],
    edges: Sequence[int] = LENGTH_EDGES,
) -> list[LengthRow]:
    """Return one row per bucket that is not empty. Edges 0, 16, 32 give 0-16, 17-32 and over 32."""
    truth, scores = np.asarray(labels), np.asarray(probabilities)
    lengths = np.asarray(tokens)
    bounds = [edges[0] - 1, *edges[1:], np.iinfo(np.int64).max]
    rows = []
    for number, (above, up_to) in enumerate(pairwise(bounds)):
        inside = (lengths > above) & (lengths <= up_to)
        if inside.any():
            upper = edges[number + 1] if number + 1 < len(edges) else None
            counts = confusion_matrix(truth[inside].tolist(), scores[inside].tolist())
            rows.append(LengthRow(above + 1, upper, counts))
    return rows


def compute_parity(
    int8: Sequence[float], float32: Sequence[float], threshold: float = 0.5
) -> Parity:
    """Compare probabilities and labels; a confidence below `threshold` is left to a person."""
    served, exact = np.asarray(int8), np.asarray(float32)
    reviewed = [np.maximum(side, 1.0 - side) < threshold for side in (served, exact)]
    return Parity(
        largest_difference=float(np.max(np.abs(served - exact))),
        changed_decisions=float(np.mean((served >= 0.5) != (exact >= 0.5))),
        changed_reviews=float(np.mean(reviewed[0] != reviewed[1])),
    )


def _auc(truth: NDArray[np.bool_], scores: Floats) -> float:
    positive, negative = scores[truth], np.sort(scores[~truth])
    below = np.searchsorted(negative, positive, side="left")
    ties = np.searchsorted(negative, positive, side="right") - below
    return float(np.sum(below + 0.5 * ties) / (len(positive) * len(negative)))
