"""The verdict of a drift report, given the drift score of each feature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from scoring.artifact.profile import CATEGORIES, NUMBERS
from storage.states import JOINT_FEATURE, DriftVerdict


class Method(StrEnum):
    """How a drift score in standard errors is computed; see `monitoring.drift.drift_score`."""

    MEAN_AND_SPREAD = "mean-and-spread"
    SHARES = "shares"
    ALL_COLUMNS = "all-columns"


# Fixed per column, because Evidently's own choice changes with the number of rows.
METHODS = (
    dict.fromkeys(NUMBERS, Method.MEAN_AND_SPREAD)
    | dict.fromkeys(CATEGORIES, Method.SHARES)
    | {JOINT_FEATURE: Method.ALL_COLUMNS}
)


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """The drift score of a column, of JOINT_FEATURE or of the texts, and its threshold.

    Both have the unit of the method: standard errors for those of `Method`.
    """

    feature: str
    method: str
    score: float
    threshold: float

    @property
    def drifted(self) -> bool:
        return self.score > self.threshold

    @property
    def strength(self) -> float:
        """The score in units of its threshold, so that features can be ordered."""
        return self.score / self.threshold if self.threshold > 0 else 0.0


def verdict(features: Sequence[FeatureDrift]) -> DriftVerdict:
    drifted = any(feature.drifted for feature in features)
    return DriftVerdict.DRIFT if drifted else DriftVerdict.STABLE
