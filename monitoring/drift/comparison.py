"""Evidently's part of a report: each column's drift score, the joint score, and the HTML page.

One of the few modules that import Evidently and pandas, which takes seconds and 300 MB. It is
therefore imported only while a report is made.
"""

from __future__ import annotations

from typing import Any

from monitoring.drift.drift_score import Samples
from monitoring.drift.quiet_import import quiet_import
from monitoring.drift.threshold import Thresholds
from monitoring.drift.verdict import METHODS, FeatureDrift
from monitoring.drift.window import Columns
from scoring.artifact.profile import CATEGORIES
from storage.states import JOINT_FEATURE

with quiet_import():
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.core.metric_types import (
        ColumnMetric,
        SingleValue,
        SingleValueCalculation,
        SingleValueMetric,
    )
    from evidently.metrics import MeanValue, UniqueValueCount


# Evidently stores the names of the metric classes and their fields in workspaces: do not rename.
class Distance(ColumnMetric, SingleValueMetric):  # type: ignore[misc]
    """The drift score of a column.

    None of Evidently's own methods reacts to tails and is calibrated at the window's size. Its
    chi-square, for example, treats a reference of 700 rows as exact.
    """

    threshold: float


class DistanceCalculation(SingleValueCalculation[Distance]):  # type: ignore[misc]
    def calculate(self, context: Any, current_data: Any, reference_data: Any) -> SingleValue:
        name = self.metric.column
        samples = _samples([name], reference_data, current_data)
        return self.result(samples.scores().columns[name])

    def display_name(self) -> str:
        return (
            f"{self.metric.column}: distance from the reference in standard errors, "
            f"drift above {self.metric.threshold:.3g}"
        )


class JointDistance(SingleValueMetric):  # type: ignore[misc]
    """The joint drift score of all columns."""

    columns: list[str]
    threshold: float


class JointDistanceCalculation(SingleValueCalculation[JointDistance]):  # type: ignore[misc]
    def calculate(self, context: Any, current_data: Any, reference_data: Any) -> SingleValue:
        samples = _samples(self.metric.columns, reference_data, current_data)
        return self.result(samples.scores().joint)

    def display_name(self) -> str:
        return (
            "All columns together: distance from the reference in standard errors, "
            f"drift above {self.metric.threshold:.3g}"
        )


class Comparison:
    """A window compared with the reference. Both have one row per text."""

    def __init__(self, reference: Columns, window: Columns, thresholds: Thresholds) -> None:
        self._names = list(reference)
        self._thresholds = thresholds
        categories = [name for name in self._names if name in CATEGORIES]
        numbers = [name for name in self._names if name not in CATEGORIES]
        definition = DataDefinition(numerical_columns=numbers, categorical_columns=categories)
        distances = [Distance(column=name, threshold=thresholds.column) for name in self._names]
        # These two metrics draw the distributions of reference and window.
        plots = [UniqueValueCount(column=name) for name in categories]
        plots += [MeanValue(column=name) for name in numbers]
        joint = JointDistance(columns=self._names, threshold=thresholds.joint)
        self.snapshot = Report([joint, *distances, *plots]).run(
            Dataset.from_pandas(pd.DataFrame(window), data_definition=definition),
            Dataset.from_pandas(pd.DataFrame(reference), data_definition=definition),
        )

    def features(self) -> list[FeatureDrift]:
        """Return the drift of JOINT_FEATURE first, then that of each column in order."""
        results = self.snapshot.dict()["metrics"]
        scores = {
            result["config"].get("column", JOINT_FEATURE): float(result["value"])
            for result in results
            if "threshold" in result["config"]
        }
        limits = dict.fromkeys(self._names, self._thresholds.column)
        limits = {JOINT_FEATURE: self._thresholds.joint} | limits
        return [FeatureDrift(name, METHODS[name], scores[name], limits[name]) for name in limits]

    def html(self) -> str:
        """Return a self-contained page of about 4 MB."""
        page: str = self.snapshot.get_html_str(as_iframe=False)
        return page


def _samples(names: list[str], reference: Any, window: Any) -> Samples:
    frames = [dataset.as_dataframe() for dataset in (reference, window)]
    before, now = ({name: frame[name].tolist() for name in names} for frame in frames)
    return Samples(before, now)
