"""Two distributions side by side, in shares, small enough for a row of the database."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from typing import Any

from scoring.profile import Histogram


def number_histogram(reference: Histogram, window: Sequence[float]) -> dict[str, Any]:
    """The window in the reference's bins; what lies outside them is counted in the outermost."""
    counts = [0] * len(reference.counts)
    for value in window:
        place = bisect_right(reference.edges, value) - 1
        counts[min(max(place, 0), len(counts) - 1)] += 1
    return {
        "edges": reference.edges,
        "reference": shares(reference.counts),
        "window": shares(counts),
    }


def label_histogram(reference: Sequence[str], window: Sequence[str]) -> dict[str, Any]:
    """Every label of either side, in alphabetical order."""
    ours, theirs = Counter(reference), Counter(window)
    labels = sorted(ours.keys() | theirs.keys())
    return {
        "labels": labels,
        "reference": shares([ours[label] for label in labels]),
        "window": shares([theirs[label] for label in labels]),
    }


def shares(counts: Sequence[int]) -> list[float]:
    """Each count's part of all; zeros where there is none."""
    total = sum(counts) or 1
    return [count / total for count in counts]
