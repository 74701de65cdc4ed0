"""Overlapping windows of a long text, so that the model reads every token and none is cut off."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

MEAN = "mean"
MAX = "max"
RULES = (MEAN, MAX)


def split_into_windows(ids: Sequence[int], size: int, overlap: int) -> list[list[int]]:
    """Split `ids` into windows of `size` tokens that share `overlap` tokens with their predecessor.

    The last window overlaps more so that it is full too, because a short window is hard to score.
    A text of at most `size` tokens is one window.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"an overlap of {overlap} does not fit windows of {size}")
    if len(ids) <= size:
        return [list(ids)]
    starts = list(range(0, len(ids) - size, size - overlap))
    return [list(ids[start : start + size]) for start in [*starts, len(ids) - size]]


def combine(probabilities: Sequence[float], rule: str) -> float:
    """Return the probability of a text, given those of its windows.

    MEAN is the average over the windows; with MAX one positive window makes the text positive.
    """
    return max(probabilities) if rule == MAX else fmean(probabilities)
