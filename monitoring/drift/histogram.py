"""Histograms of the reference and the window, in shares and small enough to store in a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

BINS = 20


def number_histogram(
    reference: Sequence[float], window: Sequence[float], edges: Sequence[float] | None = None
) -> dict[str, Any]:
    """Count both in the same bins: those of `edges`, by default BINS over the reference's range.

    Values outside are counted in the first or the last bin.
    """
    bins = np.asarray(edges if edges is not None else np.histogram_bin_edges(reference, BINS))
    return {
        "edges": bins.tolist(),
        "reference": shares(_counts(reference, bins)),
        "window": shares(_counts(window, bins)),
    }


def label_histogram(reference: Sequence[str], window: Sequence[str]) -> dict[str, Any]:
    """Count the labels that occur in either, in alphabetical order."""
    reference_counts, window_counts = Counter(reference), Counter(window)
    labels = sorted(reference_counts.keys() | window_counts.keys())
    return {
        "labels": labels,
        "reference": shares([reference_counts[label] for label in labels]),
        "window": shares([window_counts[label] for label in labels]),
    }


def shares(counts: Sequence[int]) -> list[float]:
    """Return each count divided by the total; zeros if the total is zero."""
    total = sum(counts) or 1
    return [count / total for count in counts]


def _counts(values: Sequence[float], edges: Any) -> list[int]:
    clipped = np.clip(np.asarray(values, np.float64), edges[0], edges[-1])
    return [int(count) for count in np.histogram(clipped, edges)[0]]
