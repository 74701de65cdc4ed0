"""Predictions as columns, named like the profile's, a row a text."""

from __future__ import annotations

from collections.abc import Sequence

from scoring.input.features import INPUT_FEATURES
from storage.reports.drift import Observed

Columns = dict[str, list[float] | list[str]]


def window_columns(rows: Sequence[Observed]) -> Columns:
    """A column for what every row has: rows of an earlier release may lack an input feature."""
    columns: Columns = {
        "probability": [row.probability for row in rows],
        "confidence": [row.confidence for row in rows],
        "decision": [row.decision for row in rows],
    }
    for name in INPUT_FEATURES:
        if all(name in row.features for row in rows):
            columns[name] = [float(row.features[name]) for row in rows]
    return columns


def comparable(reference: Columns, window: Columns) -> tuple[Columns, Columns]:
    """Both, with the columns that both of them have."""
    names = [name for name in window if name in reference]
    return {name: reference[name] for name in names}, {name: window[name] for name in names}
