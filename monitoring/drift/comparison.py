"""Evidently's part of a report: each column's drift score, the joint score, and their tests.

One of the few modules that import Evidently and pandas, which takes seconds and 300 MB. It is
therefore imported only while a report is made.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
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
    from evidently.core.report import Snapshot
    from evidently.tests import lte

# Stands for "<" while Evidently builds a page; a private character, which no page shows.
LESS_THAN = "\ue03c"


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
        return f"{self.metric.column}, in standard errors from the reference"


class JointDistance(SingleValueMetric):  # type: ignore[misc]
    """The joint drift score of all columns."""

    columns: list[str]
    threshold: float


class JointDistanceCalculation(SingleValueCalculation[JointDistance]):  # type: ignore[misc]
    def calculate(self, context: Any, current_data: Any, reference_data: Any) -> SingleValue:
        samples = _samples(self.metric.columns, reference_data, current_data)
        return self.result(samples.scores().joint)

    def display_name(self) -> str:
        return "All columns together, in standard errors from the reference"


class TextDistance(SingleValueMetric):  # type: ignore[misc]
    """The drift score of the texts themselves, from `monitoring.drift.text_content`."""

    score: float
    threshold: float


class TextDistanceCalculation(SingleValueCalculation[TextDistance]):  # type: ignore[misc]
    def calculate(self, context: Any, current_data: Any, reference_data: Any) -> SingleValue:
        return self.result(self.metric.score)

    def display_name(self) -> str:
        return "A classifier that distinguishes the texts from the reference (ROC AUC)"


class Comparison:
    """A window compared with the reference. Both have one row per text.

    Each score has a test of Evidently, which fails if the score exceeds its threshold.
    """

    def __init__(
        self,
        reference: Columns,
        window: Columns,
        thresholds: Thresholds,
        text: Sequence[FeatureDrift] = (),
    ) -> None:
        self._names = list(reference)
        self._thresholds = thresholds
        self._text = text
        categories = [name for name in self._names if name in CATEGORIES]
        numbers = [name for name in self._names if name not in CATEGORIES]
        definition = DataDefinition(numerical_columns=numbers, categorical_columns=categories)
        self.snapshot = Report(self._metrics()).run(
            Dataset.from_pandas(pd.DataFrame(window), data_definition=definition),
            Dataset.from_pandas(pd.DataFrame(reference), data_definition=definition),
        )

    def _metrics(self) -> list[Any]:
        joint, column = self._thresholds.joint, self._thresholds.column
        metrics = [JointDistance(columns=self._names, threshold=joint, tests=[lte(joint)])]
        metrics += [
            Distance(column=name, threshold=column, tests=[lte(column)]) for name in self._names
        ]
        metrics += [
            TextDistance(score=text.score, threshold=text.threshold, tests=[lte(text.threshold)])
            for text in self._text
        ]
        return metrics

    def features(self) -> list[FeatureDrift]:
        """Return the drift of JOINT_FEATURE, of each column in order, and of the texts."""
        scores = [float(result["value"]) for result in self.snapshot.dict()["metrics"]]
        limits = dict.fromkeys(self._names, self._thresholds.column)
        limits = {JOINT_FEATURE: self._thresholds.joint} | limits
        columns = [
            FeatureDrift(name, METHODS[name], score, limits[name])
            for name, score in zip(limits, scores, strict=False)
        ]
        return [*columns, *self._text]

    def content(self) -> dict[str, Any]:
        """Return Evidently's snapshot as JSON: results and tests, but no rows."""
        content: dict[str, Any] = json.loads(self.snapshot.dumps())
        return content


def page_html(content: dict[str, Any], title: str) -> str:
    """Return a snapshot's content as a self-contained page of about 4 MB.

    Evidently writes the content into a script as it is, and a source may be named "</script>".
    """
    safe = json.loads(json.dumps(content).replace("<", LESS_THAN))
    page: str = Snapshot.load_dict(safe).get_html_str(as_iframe=False)
    page = page.replace(json.dumps(LESS_THAN).strip('"'), r"\u003c")
    return page.replace("<head>", f"<head>\n<title>{escape(title)}</title>", 1)


def _samples(names: list[str], reference: Any, window: Any) -> Samples:
    frames = [dataset.as_dataframe() for dataset in (reference, window)]
    before, now = ({name: frame[name].tolist() for name in names} for frame in frames)
    return Samples(before, now)
