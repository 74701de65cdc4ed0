"""A version on the test texts of each data file and each source, beside the version before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from plumbline_client.visible import one_line
from scoring.intervals import Interval, paired_difference, wilson
from training.data.examples import Example
from training.evaluation.metrics import ConfusionMatrix, confusion_matrix

Flags = NDArray[np.bool_]
# If there are more, the smallest are shown as one.
MAX_GROUPS = 20
# With fewer, getting better cannot be told from chance: five texts that all change for the better
# have the chance 1/32.
MIN_ERRORS_TO_IMPROVE = 5


class GroupKind(StrEnum):
    FILE = "file"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class GroupMetrics:
    """One version on the texts of a group, at probability 0.5; None where there are no texts."""

    accuracy: float
    accuracy_interval: Interval
    f1: float | None
    recall: float | None
    negative_recall: float | None
    errors: int

    @classmethod
    def of(cls, counts: ConfusionMatrix) -> GroupMetrics:
        right = counts.tp + counts.tn
        return cls(
            accuracy=counts.accuracy,
            accuracy_interval=wilson(right, counts.rows),
            f1=counts.if_defined("f1"),
            recall=counts.if_defined("recall"),
            negative_recall=counts.if_defined("negative_recall"),
            errors=counts.rows - right,
        )


@dataclass(frozen=True, slots=True)
class GroupDifference:
    """The version minus the version compared with, on the same texts.

    `accuracy` and `balanced_accuracy` are differences, the latter None if a class is missing.
    `interval` is the 95% interval of the former. `drop` is how much worse one of the two is at
    least, at the error rate of all groups together; 0 if chance explains it.
    """

    newly_right: int
    newly_wrong: int
    accuracy: float
    interval: Interval
    balanced_accuracy: float | None
    drop: float

    @property
    def gain(self) -> float:
        """The larger of the two differences: with few positives, they can disagree."""
        return max(self.accuracy, self.balanced_accuracy or self.accuracy)


@dataclass(frozen=True, slots=True)
class Group:
    """The test texts of one file or source. `name` is "" for texts without a source.

    `new` states that the version compared with was not trained on this source.
    """

    kind: GroupKind
    name: str
    rows: int
    positives: int
    served: GroupMetrics
    baseline: GroupMetrics
    compared: GroupMetrics | None
    difference: GroupDifference | None
    new: bool

    @property
    def title(self) -> str:
        """The name as it is printed."""
        return one_line(self.name) or "(no source)"


@dataclass(frozen=True, slots=True)
class Answers:
    """Probabilities for the same texts: of the version, of TF-IDF, of the version before."""

    served: Sequence[float]
    baseline: Sequence[float]
    compared: Sequence[float] | None


def compare_groups(
    test: Sequence[Example], answers: Answers, known_sources: Set[str] = frozenset()
) -> list[Group]:
    """Return the files, if there are several, and the sources, if any text has one.

    `known_sources` are those that the version compared with was trained on.
    """
    groups: list[Group] = []
    for kind in GroupKind:
        names = _pooled([getattr(example, kind.value) for example in test])
        if len(set(names)) > (1 if kind is GroupKind.FILE else 0) and any(names):
            groups += _compare(kind, names, test, answers, known_sources)
    return groups


def _pooled(names: Sequence[str]) -> list[str]:
    """Keep the names of the largest groups, and unite the others."""
    counts = Counter(names)
    if len(counts) <= MAX_GROUPS:
        return list(names)
    kept = {name for name, _ in counts.most_common(MAX_GROUPS - 1)}
    other = f"{len(counts) - len(kept):,} others"
    return [name if name in kept else other for name in names]


def _compare(
    kind: GroupKind,
    names: Sequence[str],
    test: Sequence[Example],
    answers: Answers,
    known_sources: Set[str],
) -> list[Group]:
    labels, name_of = np.array([example.label for example in test]), np.array(names)
    new_sources = {example.source for example in test} - known_sources - {""}
    largest_first = [name for name, _ in Counter(names).most_common()]
    # Two differences per group, all at once: the chance that one of them is called a drop.
    z = NormalDist().inv_cdf(1 - 0.05 / (2 * len(largest_first)))
    groups = []
    for name in largest_first:
        inside = name_of == name
        truth = labels[inside]
        served, baseline, compared = (
            None if side is None else np.asarray(side)[inside]
            for side in (answers.served, answers.baseline, answers.compared)
        )
        assert served is not None and baseline is not None
        groups.append(
            Group(
                kind=kind,
                name=name,
                rows=len(truth),
                positives=int(truth.sum()),
                served=_metrics(truth, served),
                baseline=_metrics(truth, baseline),
                compared=None if compared is None else _metrics(truth, compared),
                difference=None if compared is None else difference(truth, served, compared, z),
                new=kind is GroupKind.SOURCE and name in new_sources,
            )
        )
    return groups


def _metrics(truth: NDArray[np.int_], probabilities: NDArray[np.float64]) -> GroupMetrics:
    return GroupMetrics.of(confusion_matrix(truth.tolist(), probabilities.tolist()))


def difference(
    truth: NDArray[np.int_],
    served: NDArray[np.float64],
    compared: NDArray[np.float64],
    z: float = NormalDist().inv_cdf(0.95),
) -> GroupDifference:
    """Compare two versions on the same texts; `z` is the quantile for a drop."""
    positive = truth == 1
    right, before = (served >= 0.5) == positive, (compared >= 0.5) == positive
    newly_right, newly_wrong = right & ~before, before & ~right
    counts = int(newly_right.sum()), int(newly_wrong.sum())
    bounds = [_upper_bound([(*counts, len(truth))], z)]
    balanced = None
    if 0 < positive.sum() < len(truth):
        classes = [
            (int(newly_right[side].sum()), int(newly_wrong[side].sum()), int(side.sum()))
            for side in (positive, ~positive)
        ]
        balanced = sum((better - worse) / rows for better, worse, rows in classes) / 2
        bounds.append(_upper_bound(classes, z))
    return GroupDifference(
        newly_right=counts[0],
        newly_wrong=counts[1],
        accuracy=(counts[0] - counts[1]) / len(truth),
        interval=paired_difference(*counts, len(truth)),
        balanced_accuracy=balanced,
        drop=max(0.0, -min(bounds)),
    )


def _upper_bound(classes: Sequence[tuple[int, int, int]], z: float) -> float:
    """Return the upper bound of the mean difference of (newly right, newly wrong, rows).

    Half a text is added to each cell (Agresti and Min, 2005), so few texts prove little.
    """
    mean = variance = 0.0
    for newly_right, newly_wrong, count in classes:
        right, wrong, rows = newly_right + 0.5, newly_wrong + 0.5, count + 2.0
        share = (right - wrong) / rows
        mean += share / len(classes)
        variance += ((right + wrong) / rows - share**2) / rows / len(classes) ** 2
    return float(mean + z * variance**0.5)
