"""The predictions of a window as columns, named as in the profile, with one row per text."""

from __future__ import annotations

from collections.abc import Sequence

from scoring.input.features import INPUT_FEATURES
from storage.reports.drift import Observation

Columns = dict[str, list[float] | list[str]]


def window_columns(rows: Sequence[Observation]) -> Columns:
    """Return the columns that every row has; rows of an earlier release may lack a feature."""
    columns: Columns = {
        "probability": [row.probability for row in rows],
        "confidence": [row.confidence for row in rows],
        "decision": [row.decision for row in rows],
    }
    for name in INPUT_FEATURES:
        if all(name in row.features for row in rows):
            columns[name] = [float(row.features[name]) for row in rows]
    return columns


def shared_columns(reference: Columns, window: Columns) -> tuple[Columns, Columns]:
    """Return both with only the columns that both have."""
    names = [name for name in window if name in reference]
    return {name: reference[name] for name in names}, {name: window[name] for name in names}
