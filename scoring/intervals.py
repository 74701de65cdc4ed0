"""How far chance alone could have moved a share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

COVERAGE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    low: float
    high: float


def wilson(hits: int, of: int, coverage: float = COVERAGE) -> Interval:
    """Wilson's score interval (1927) for the share hits / of: honest near 0 and 1, unlike ± 2 sd.

    0 to 1 where `of` is 0.
    """
    if of == 0:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf(0.5 + coverage / 2)
    share, shrink = hits / of, 1 + z * z / of
    middle = (share + z * z / (2 * of)) / shrink
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / shrink
    return Interval(max(0.0, middle - half), min(1.0, middle + half))
