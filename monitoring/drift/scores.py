"""How far a window lies from the reference, in standard errors, and how far chance alone takes it.

A number is looked at as itself and as its square, so that a column tells a moved mean and a moved
spread. Hotelling's T² (The Generalization of Student's Ratio, Annals of Mathematical Statistics 2,
1931) puts a column's two together, and all columns into one joint distance. What chance does to it
is found by permutation: with nothing changed, any rows of both sides could have been the window's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = Sequence[float] | Sequence[str]
Columns = Mapping[str, Values]
Floats = NDArray[np.floating[Any]]

# In standard deviations: one text of 2,000 words must not outweigh a window.
FURTHEST = 6.0
FURTHEST_SQUARE = 16.0
# How far correlations are drawn towards none: from hundreds of rows they are poorly known.
SHRINKAGE = 0.95
# Of a report's false alarms: most to the joint distance, which sees what many columns hint at.
JOINT_SHARE = 0.8
PERMUTATIONS = 4_000
_AT_ONCE = 250


@dataclass(frozen=True, slots=True)
class Thresholds:
    """A joint distance above `joint`, or a column's above `column`, is no chance."""

    joint: float
    column: float


@dataclass(frozen=True, slots=True)
class Shift:
    """Distances in standard errors, 0 or more; about 1 a column where nothing changed."""

    joint: float
    columns: dict[str, float]


class Samples:
    """Reference and window as one matrix, a row a text, its columns independent of each other."""

    def __init__(self, reference: Columns, window: Columns) -> None:
        self.names = list(reference)
        self.sizes = (_rows(reference), _rows(window))
        parts = [_scores(reference[name], window[name]) for name in self.names]
        together = _whitened(np.hstack(parts), SHRINKAGE)
        apart = [_whitened(part, 0.0) for part in parts]
        self._ends = np.cumsum([together.shape[1], *(part.shape[1] for part in apart)])
        self._matrix = np.hstack([together, *apart]).astype(np.float32)
        self._drawn: dict[int, Floats] = {}

    def shift(self) -> Shift:
        """How far the window lies from the reference."""
        in_window = np.zeros((1, sum(self.sizes)), np.float32)
        in_window[0, self.sizes[0] :] = 1.0
        joint, *columns = self._distances(in_window)[0]
        named = zip(self.names, columns, strict=True)
        return Shift(float(joint), {name: float(distance) for name, distance in named})

    def thresholds(self, alpha: float, seed: int = 0) -> Thresholds:
        """Distances that chance exceeds in a share `alpha` of windows of this size.

        Westfall and Young (Resampling-Based Multiple Testing, 1993): the largest of all columns is
        compared with the largest of all columns, so their number and their dependence are in it.
        """
        if seed not in self._drawn:
            chunks = [self._distances(chunk) for chunk in self._permuted(seed)]
            self._drawn[seed] = np.vstack(chunks)
        draws = self._drawn[seed]
        joint = _exceeded_by(draws[:, 0], alpha * JOINT_SHARE)
        column = _exceeded_by(draws[:, 1:].max(axis=1), alpha * (1.0 - JOINT_SHARE))
        return Thresholds(joint, column)

    def _distances(self, in_window: Floats) -> Floats:
        """[n, rows] of 0 and 1 to [n, 1 + columns] distances."""
        before, now = self.sizes
        # Of mean 0, so that the other side sums to the same with its sign changed.
        sums = in_window @ self._matrix
        squares = sums**2 * (1.0 / before + 1.0 / now)
        starts = [0, *self._ends[:-1]]
        return np.sqrt(np.add.reduceat(squares, starts, axis=1))

    def _permuted(self, seed: int) -> Iterator[Floats]:
        draw = np.random.default_rng(seed)
        rows = np.zeros((_AT_ONCE, sum(self.sizes)), np.float32)
        rows[:, self.sizes[0] :] = 1.0
        for _ in range(PERMUTATIONS // _AT_ONCE):
            yield draw.permuted(rows, axis=1)


def _rows(columns: Columns) -> int:
    return len(next(iter(columns.values())))


def _scores(reference: Values, window: Values) -> Floats:
    """[rows, k]: a number's value and square, or one indicator for each label but the last."""
    both = [*reference, *window]
    if isinstance(both[0], str):
        labels = sorted(set(both))
        return np.asarray([[value == label for label in labels[:-1]] for value in both], np.float64)
    values = np.asarray(both, np.float64)
    spread = values.std()
    if spread == 0.0:
        return np.zeros((len(values), 0))
    standard = np.clip((values - values.mean()) / spread, -FURTHEST, FURTHEST)
    return np.column_stack([standard, np.minimum(standard**2, FURTHEST_SQUARE)])


def _whitened(scores: Floats, shrinkage: float) -> Floats:
    """The same rows, mean 0, rotated and scaled so that no column goes with another."""
    centred = scores - scores.mean(axis=0)
    spread = centred.std(axis=0)
    standard = centred[:, spread > 0.0] / spread[spread > 0.0]
    correlation = standard.T @ standard / max(len(standard), 1)
    shrunk = (1.0 - shrinkage) * correlation + shrinkage * np.eye(len(correlation))
    values, vectors = np.linalg.eigh(shrunk)
    # What is a copy of others, as the square of a column with two values is, says nothing more.
    kept = values > 1e-9
    white: Floats = standard @ (vectors[:, kept] / np.sqrt(values[kept]))
    # Of columns that never change the distance is 0, not missing.
    return white if white.shape[1] else np.zeros((len(scores), 1))


def _exceeded_by(draws: Floats, share: float) -> float:
    """The smallest draw that at most `share` of them, and of what is yet to come, lie above.

    Where there are too few draws to say, the largest: the share is then 1 / (draws + 1).
    """
    above = math.floor(share * (len(draws) + 1))
    return float(np.sort(draws)[-max(above, 1)])
