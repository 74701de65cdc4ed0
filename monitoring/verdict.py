"""When a report says `drift`: one rate of false alarms a report, whatever its number of columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from scoring.profile import CATEGORIES, NUMBERS


class Verdict(StrEnum):
    STABLE = "stable"
    DRIFT = "drift"
    TOO_LITTLE_DATA = "too_little_data"


class Method(StrEnum):
    """How a column is tested; both are of two samples, and give a p-value."""

    KS = "ks"
    CHI_SQUARE = "chi-square"


# Named for every column, since Evidently's own choice changes with the number of rows.
METHODS = dict.fromkeys(NUMBERS, Method.KS) | dict.fromkeys(CATEGORIES, Method.CHI_SQUARE)


@dataclass(frozen=True, slots=True)
class Finding:
    """What the test of one column found; `p_value` and `threshold` are in [0, 1]."""

    feature: str
    method: Method
    p_value: float
    threshold: float

    @property
    def drifted(self) -> bool:
        return self.p_value < self.threshold


def column_threshold(alpha: float, columns: int) -> float:
    """Bonferroni: the chance that any of `columns` p-values is below this is at most `alpha`."""
    return alpha / columns


def verdict(findings: Sequence[Finding]) -> Verdict:
    return Verdict.DRIFT if any(f.drifted for f in findings) else Verdict.STABLE
