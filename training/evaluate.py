"""How good a version is, measured on the int8 model that will serve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


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


def measure(labels: Sequence[int], probabilities: Sequence[float]) -> Metrics:
    truth = np.asarray(labels, dtype=bool)
    scores = np.asarray(probabilities, dtype=np.float64)
    said = scores >= 0.5
    hits = int(np.sum(said & truth))
    precision = hits / max(int(said.sum()), 1)
    recall = hits / max(int(truth.sum()), 1)
    return Metrics(
        rows=len(truth),
        positives=int(truth.sum()),
        accuracy=float(np.mean(said == truth)),
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / max(precision + recall, 1e-12),
        auc=_auc(truth, scores),
    )


def compare(int8: Sequence[float], float32: Sequence[float]) -> Parity:
    served, exact = np.asarray(int8), np.asarray(float32)
    return Parity(
        largest_difference=float(np.max(np.abs(served - exact))),
        changed_decisions=float(np.mean((served >= 0.5) != (exact >= 0.5))),
    )


def _auc(truth: NDArray[np.bool_], scores: Floats) -> float:
    positive, negative = scores[truth], np.sort(scores[~truth])
    below = np.searchsorted(negative, positive, side="left")
    ties = np.searchsorted(negative, positive, side="right") - below
    return float(np.sum(below + 0.5 * ties) / (len(positive) * len(negative)))
