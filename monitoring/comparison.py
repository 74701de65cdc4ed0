"""Evidently's side: a p-value for each column, and a page to look at.

The only file that imports Evidently and pandas, which takes seconds and 300 MB; import it where a
report is made and nowhere else.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any

from scipy.stats import chi2_contingency

from monitoring.verdict import METHODS, Finding, Method
from monitoring.window import Columns
from scoring.profile import CATEGORIES

# Evidently's own switch for its usage statistics; nothing leaves the machine.
os.environ.setdefault("DO_NOT_TRACK", "1")

with warnings.catch_warnings():
    # Evidently and the web server it brings use what NumPy and that server deprecated.
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"evidently\.|litestar\.")
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.core.metric_types import (
        ColumnMetric,
        SingleValue,
        SingleValueCalculation,
        SingleValueMetric,
    )
    from evidently.metrics import UniqueValueCount, ValueDrift


class ShareDrift(ColumnMetric, SingleValueMetric):  # type: ignore[misc]
    """The p-value of the two-sample chi-square test.

    Evidently's own chi-square takes the reference for exact, so that with 700 reference rows and
    10,000 recent ones, drawn alike, it called 70% of them different at a level of 0.5%.
    """

    threshold: float


class ShareDriftCalculation(SingleValueCalculation[ShareDrift]):  # type: ignore[misc]
    def calculate(self, context: Any, current_data: Any, reference_data: Any) -> SingleValue:
        name = self.metric.column
        sides = [data.as_dataframe()[name] for data in (reference_data, current_data)]
        counts = pd.concat([side.value_counts() for side in sides], axis=1).fillna(0.0)
        # Of a single label, alike on both sides, it says 1.
        return self.result(float(chi2_contingency(counts.to_numpy(), correction=False).pvalue))

    def display_name(self) -> str:
        return (
            f"Drift of {self.metric.column}: p-value of the two-sample chi-square test, "
            f"drift below {self.metric.threshold:.2g}"
        )


class Comparison:
    """The columns of a window against the reference's, each by the method named for it."""

    def __init__(
        self, reference: Columns, window: Columns, names: Sequence[str], threshold: float
    ) -> None:
        self._names = names
        self._threshold = threshold
        categories = [name for name in names if name in CATEGORIES]
        definition = DataDefinition(
            numerical_columns=[name for name in names if name not in CATEGORIES],
            categorical_columns=categories,
        )
        tests = [_test(name, threshold) for name in names]
        pictures = [UniqueValueCount(column=name) for name in categories]
        with warnings.catch_warnings():
            # Of some sizes SciPy has no exact p-value and takes the asymptotic one, as it should.
            warnings.filterwarnings("ignore", message=r".*ks_2samp", category=RuntimeWarning)
            self._snapshot = Report([*tests, *pictures]).run(
                _dataset(window, names, definition), _dataset(reference, names, definition)
            )

    def findings(self) -> list[Finding]:
        results = self._snapshot.dict()["metrics"]
        p_values = {
            result["config"]["column"]: float(result["value"])
            for result in results
            if "threshold" in result["config"]
        }
        return [
            Finding(name, METHODS[name], p_values[name], self._threshold) for name in self._names
        ]

    def html(self) -> str:
        """A page that loads nothing from elsewhere, about 4 MB."""
        page: str = self._snapshot.get_html_str(as_iframe=False)
        return page


def _test(name: str, threshold: float) -> Any:
    if METHODS[name] is Method.CHI_SQUARE:
        return ShareDrift(column=name, threshold=threshold)
    return ValueDrift(column=name, method=str(METHODS[name]), threshold=threshold)


def _dataset(columns: Columns, names: Sequence[str], definition: Any) -> Any:
    # Series, since columns may differ in length; Evidently leaves out what is missing.
    frame = pd.DataFrame({name: pd.Series(columns[name]) for name in names})
    return Dataset.from_pandas(frame, data_definition=definition)
