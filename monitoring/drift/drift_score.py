"""Drift scores: the distance of a window from the reference, in standard errors.

Each number contributes its value and its square, so that a column's score reacts to a changed mean
and to a changed spread. Hotelling's T² (The Generalization of Student's Ratio, Annals of
Mathematical Statistics 2, 1931) combines the two into a column's score, and all columns into the
joint score. `monitoring.drift.threshold` computes how large a score is by chance alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = Sequence[float] | Sequence[str]
Columns = Mapping[str, Values]
Floats = NDArray[np.floating[Any]]

# Limits in standard deviations, so that one text of 2,000 words does not outweigh a window.
MAX_VALUE = 6.0
MAX_SQUARE = 16.0
# How far correlations are shrunk towards zero: estimates from hundreds of rows are inaccurate.
SHRINKAGE = 0.95


@dataclass(frozen=True, slots=True)
class DriftScores:
    """Scores in standard errors, at least 0; about 1 per column if nothing changed."""

    joint: float
    columns: dict[str, float]


class Samples:
    """Reference and window as one matrix with uncorrelated columns and one row per text.

    `sizes` are the numbers of rows of the reference and the window.
    """

    def __init__(self, reference: Columns, window: Columns) -> None:
        self.names = list(reference)
        self.sizes = (_rows(reference), _rows(window))
        parts = [_standardized(reference[name], window[name]) for name in self.names]
        joint = _whitened(np.hstack(parts), SHRINKAGE)
        separate = [_whitened(part, 0.0) for part in parts]
        self._ends = np.cumsum([joint.shape[1], *(part.shape[1] for part in separate)])
        self._matrix = np.hstack([joint, *separate]).astype(np.float32)

    def scores(self) -> DriftScores:
        """Return the drift scores of the window."""
        joint, *columns = self.scores_of(self.window_mask(1))[0]
        named = zip(self.names, columns, strict=True)
        return DriftScores(float(joint), {name: float(score) for name, score in named})

    def window_mask(self, copies: int) -> Floats:
        """Return [copies, rows]: 1 for the rows of the window, 0 for those of the reference."""
        mask = np.zeros((copies, sum(self.sizes)), np.float32)
        mask[:, self.sizes[0] :] = 1.0
        return mask

    def scores_of(self, masks: Floats) -> Floats:
        """Return scores [n, 1 + columns], joint first, of n windows given as masks [n, rows]."""
        reference_rows, window_rows = self.sizes
        # The columns have mean 0, so the sums over the other rows are the same, negated.
        sums = masks @ self._matrix
        squares = sums**2 * (1.0 / reference_rows + 1.0 / window_rows)
        starts = [0, *self._ends[:-1]]
        return np.sqrt(np.add.reduceat(squares, starts, axis=1))


def _rows(columns: Columns) -> int:
    return len(next(iter(columns.values())))


def _standardized(reference: Values, window: Values) -> Floats:
    """Return [rows, k]: a number's value and square, or an indicator per label except the last."""
    both = [*reference, *window]
    if isinstance(both[0], str):
        labels = sorted(set(both))
        return np.asarray([[value == label for label in labels[:-1]] for value in both], np.float64)
    values = np.asarray(both, np.float64)
    spread = values.std()
    if spread == 0.0:
        return np.zeros((len(values), 0))
    standard = np.clip((values - values.mean()) / spread, -MAX_VALUE, MAX_VALUE)
    return np.column_stack([standard, np.minimum(standard**2, MAX_SQUARE)])


def _whitened(values: Floats, shrinkage: float) -> Floats:
    """Return the rows centred, rotated and scaled so that their columns are uncorrelated."""
    centred = values - values.mean(axis=0)
    spread = centred.std(axis=0)
    standard = centred[:, spread > 0.0] / spread[spread > 0.0]
    correlation = standard.T @ standard / max(len(standard), 1)
    shrunk = (1.0 - shrinkage) * correlation + shrinkage * np.eye(len(correlation))
    eigenvalues, eigenvectors = np.linalg.eigh(shrunk)
    # A copy of other columns adds nothing, such as the square of a column with two values.
    kept = eigenvalues > 1e-9
    white: Floats = standard @ (eigenvectors[:, kept] / np.sqrt(eigenvalues[kept]))
    # Columns that never change have a score of 0, not none.
    return white if white.shape[1] else np.zeros((len(values), 1))
