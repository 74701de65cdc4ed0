"""Long texts in overlapping pieces: every token is seen, none is cut off silently."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

MEAN = "mean"
MAX = "max"
RULES = (MEAN, MAX)


def windows(ids: Sequence[int], size: int, overlap: int) -> list[list[int]]:
    """Cut `ids` into windows of `size` tokens, each sharing `overlap` with the one before.

    The last is moved back to be full too, so that no window is too short to judge; a text of at
    most `size` tokens is one window.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"an overlap of {overlap} does not fit windows of {size}")
    if len(ids) <= size:
        return [list(ids)]
    starts = list(range(0, len(ids) - size, size - overlap))
    return [list(ids[start : start + size]) for start in [*starts, len(ids) - size]]


def combine(probabilities: Sequence[float], rule: str) -> float:
    """One probability for a text from those of its windows.

    "mean": as sure as the windows are on average. "max": positive if any part of it is.
    """
    return max(probabilities) if rule == MAX else fmean(probabilities)
