"""When a report says `drift`: what was found in each column, and in all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from scoring.artifact.profile import CATEGORIES, NUMBERS

# The row of a report that stands for all columns together.
JOINT = "joint"


class Verdict(StrEnum):
    STABLE = "stable"
    DRIFT = "drift"
    TOO_LITTLE_DATA = "too_little_data"
    # No report could be made; the summary says why.
    FAILED = "failed"


class Method(StrEnum):
    """How a distance is measured; each is in standard errors, as in `monitoring.drift.scores`."""

    MEAN_AND_SPREAD = "mean-and-spread"
    SHARES = "shares"
    ALL_COLUMNS = "all-columns"


# Named for every column, since Evidently's own choice changes with the number of rows.
METHODS = (
    dict.fromkeys(NUMBERS, Method.MEAN_AND_SPREAD)
    | dict.fromkeys(CATEGORIES, Method.SHARES)
    | {JOINT: Method.ALL_COLUMNS}
)


@dataclass(frozen=True, slots=True)
class Finding:
    """How far one column, or JOINT, lies from the reference, and from where on that is no chance.

    Both in the unit its method has: standard errors for those of `Method`.
    """

    feature: str
    method: str
    value: float
    threshold: float

    @property
    def drifted(self) -> bool:
        return self.value > self.threshold

    @property
    def strength(self) -> float:
        """1 at the threshold, so that columns can be ordered."""
        return self.value / self.threshold if self.threshold > 0 else 0.0


def verdict(findings: Sequence[Finding]) -> Verdict:
    return Verdict.DRIFT if any(f.drifted for f in findings) else Verdict.STABLE
