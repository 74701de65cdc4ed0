"""Two distributions side by side, in shares, small enough for a row of the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

BINS = 20


def number_histogram(
    reference: Sequence[float], window: Sequence[float], edges: Sequence[float] | None = None
) -> dict[str, Any]:
    """Both in the same bins, BINS between the reference's ends where `edges` are not given.

    What lies outside them is counted in the outermost.
    """
    bins = np.asarray(edges if edges is not None else np.histogram_bin_edges(reference, BINS))
    return {
        "edges": bins.tolist(),
        "reference": shares(_counts(reference, bins)),
        "window": shares(_counts(window, bins)),
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


def _counts(values: Sequence[float], edges: Any) -> list[int]:
    inside = np.clip(np.asarray(values, np.float64), edges[0], edges[-1])
    return [int(count) for count in np.histogram(inside, edges)[0]]
