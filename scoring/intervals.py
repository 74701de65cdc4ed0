"""Confidence intervals for shares and for the difference of two shares."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

COVERAGE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    low: float
    high: float


def wilson(successes: float, trials: float, coverage: float = COVERAGE) -> Interval:
    """Return Wilson's score interval (1927) for the share successes / trials.

    Unlike ± 2 standard deviations it holds its coverage near 0 and 1. It is 0 to 1 for no trials.
    """
    if trials == 0:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf(0.5 + coverage / 2)
    share, shrink = successes / trials, 1 + z * z / trials
    middle = (share + z * z / (2 * trials)) / shrink
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)) / shrink
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def paired_difference(
    newly_right: int, newly_wrong: int, trials: int, coverage: float = COVERAGE
) -> Interval:
    """Return an interval for (newly_right - newly_wrong) / trials, by Agresti and Min (2005).

    Two versions answered the same texts; the two counts are those of which one version alone was
    right. Half a text is added to each cell of the table, so that equal answers are no certainty.
    It is -1 to 1 for no trials.
    """
    if trials == 0:
        return Interval(-1.0, 1.0)
    z = NormalDist().inv_cdf(0.5 + coverage / 2)
    right, wrong, rows = newly_right + 0.5, newly_wrong + 0.5, trials + 2.0
    difference = (right - wrong) / rows
    variance = ((right + wrong) / rows - difference * difference) / rows
    half = z * math.sqrt(max(variance, 0.0))
    return Interval(max(-1.0, difference - half), min(1.0, difference + half))
