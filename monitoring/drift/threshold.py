"""Thresholds of drift scores: how large a score is by chance, found by permutation.

If nothing changed, any rows of reference and window together could have been the window. So the
scores of random divisions of these rows show what chance alone does at this window's size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from monitoring.drift.drift_score import Floats, Samples

# The joint score's share of the false-alarm rate: most, because it combines the small changes of
# many columns.
JOINT_SHARE = 0.8
PERMUTATIONS = 4_000
# Limits memory: the permutations that are scored at once.
CHUNK = 250


@dataclass(frozen=True, slots=True)
class Thresholds:
    """A joint score above `joint`, or a column's score above `column`, is drift."""

    joint: float
    column: float


def permuted_scores(samples: Samples, seed: int = 0) -> Floats:
    """Return the scores [PERMUTATIONS, 1 + columns] of random divisions, the joint ones first."""
    return np.vstack([samples.scores_of(chunk) for chunk in _permutations(samples, seed)])


def thresholds(permuted: Floats, alpha: float) -> Thresholds:
    """Return thresholds that chance exceeds in a share `alpha` of windows of this size.

    The threshold of the columns is that of their maximum (Westfall and Young, Resampling-Based
    Multiple Testing, 1993), which accounts for their number and their dependence.
    """
    joint = _upper_quantile(permuted[:, 0], alpha * JOINT_SHARE)
    column = _upper_quantile(permuted[:, 1:].max(axis=1), alpha * (1.0 - JOINT_SHARE))
    return Thresholds(joint, column)


def _permutations(samples: Samples, seed: int) -> Iterator[Floats]:
    draw = np.random.default_rng(seed)
    masks = samples.window_mask(CHUNK)
    for _ in range(PERMUTATIONS // CHUNK):
        yield draw.permuted(masks, axis=1)


def _upper_quantile(draws: Floats, share: float) -> float:
    """Return the smallest draw that at most `share` of these and future draws exceed.

    If there are too few draws, return the largest; the share is then 1 / (draws + 1).
    """
    above = math.floor(share * (len(draws) + 1))
    return float(np.sort(draws)[-max(above, 1)])
