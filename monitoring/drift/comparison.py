"""Evidently's side: each column's distance, the joint one, and a page to look at.

One of the few files that import Evidently and pandas, which takes seconds and 300 MB; they are
imported where a report is made and nowhere else.
"""

from __future__ import annotations

from typing import Any

from monitoring.drift.evidently_import import silence
from monitoring.drift.scores import Samples, Thresholds
from monitoring.drift.verdict import JOINT, METHODS, Finding
from monitoring.drift.window import Columns
from scoring.artifact.profile import CATEGORIES

with silence():
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.core.metric_types import (
        ColumnMetric,
        SingleValue,
        SingleValueCalculation,
        SingleValueMetric,
    )
    from evidently.metrics import MeanValue, UniqueValueCount


class Distance(ColumnMetric, SingleValueMetric):  # type: ignore[misc]
    """How far a column of the window lies from the reference's, in standard errors.

    None of Evidently's own methods looks at tails and is calibrated at the window's size: its
    chi-square, for one, takes a reference of 700 rows for exact.
    """

    threshold: float


class DistanceCalculation(SingleValueCalculation[Distance]):  # type: ignore[misc]
    def calculate(self, context: Any, current_data: Any, reference_data: Any) -> SingleValue:
        name = self.metric.column
        return self.result(_samples([name], reference_data, current_data).shift().columns[name])

    def display_name(self) -> str:
        return (
            f"{self.metric.column}: distance from the reference in standard errors, "
            f"drift above {self.metric.threshold:.3g}"
        )


class JointDistance(SingleValueMetric):  # type: ignore[misc]
    """The same of all columns together."""

    columns: list[str]
    threshold: float


class JointDistanceCalculation(SingleValueCalculation[JointDistance]):  # type: ignore[misc]
    def calculate(self, context: Any, current_data: Any, reference_data: Any) -> SingleValue:
        return self.result(
            _samples(self.metric.columns, reference_data, current_data).shift().joint
        )

    def display_name(self) -> str:
        return (
            "All columns together: distance from the reference in standard errors, "
            f"drift above {self.metric.threshold:.3g}"
        )


class Comparison:
    """A window against the reference, a row a text on both sides, every column by its method."""

    def __init__(self, reference: Columns, window: Columns, thresholds: Thresholds) -> None:
        self._names = list(reference)
        self._thresholds = thresholds
        categories = [name for name in self._names if name in CATEGORIES]
        numbers = [name for name in self._names if name not in CATEGORIES]
        definition = DataDefinition(numerical_columns=numbers, categorical_columns=categories)
        distances = [Distance(column=name, threshold=thresholds.column) for name in self._names]
        # These two draw both sides' distributions.
        pictures = [UniqueValueCount(column=name) for name in categories]
        pictures += [MeanValue(column=name) for name in numbers]
        joint = JointDistance(columns=self._names, threshold=thresholds.joint)
        self.snapshot = Report([joint, *distances, *pictures]).run(
            Dataset.from_pandas(pd.DataFrame(window), data_definition=definition),
            Dataset.from_pandas(pd.DataFrame(reference), data_definition=definition),
        )

    def findings(self) -> list[Finding]:
        """JOINT first, then a finding for each column in its order."""
        results = self.snapshot.dict()["metrics"]
        values = {
            result["config"].get("column", JOINT): float(result["value"])
            for result in results
            if "threshold" in result["config"]
        }
        limits = dict.fromkeys(self._names, self._thresholds.column)
        limits = {JOINT: self._thresholds.joint} | limits
        return [Finding(name, METHODS[name], values[name], limits[name]) for name in limits]

    def html(self) -> str:
        """A page that loads nothing from elsewhere, about 4 MB."""
        page: str = self.snapshot.get_html_str(as_iframe=False)
        return page


def _samples(names: list[str], reference: Any, window: Any) -> Samples:
    sides = (side.as_dataframe() for side in (reference, window))
    before, now = ({name: side[name].tolist() for name in names} for side in sides)
    return Samples(before, now)
