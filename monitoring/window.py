"""The recent predictions as columns, named like the reference's."""

from __future__ import annotations

from collections.abc import Sequence

from scoring.features import INPUT_FEATURES
from scoring.profile import Profile
from storage.drift import Observed

Columns = dict[str, list[float] | list[str]]


def window_columns(rows: Sequence[Observed]) -> Columns:
    """A list for each column; it is shorter where rows of an earlier release lack the feature."""
    columns: Columns = {
        "probability": [row.probability for row in rows],
        "confidence": [row.confidence for row in rows],
        "decision": [row.decision for row in rows],
    }
    for name in INPUT_FEATURES:
        columns[name] = [float(row.features[name]) for row in rows if name in row.features]
    return columns


def comparable(profile: Profile, window: Columns) -> list[str]:
    """The columns that both sides have values for."""
    return [name for name, values in window.items() if values and profile.columns.get(name)]
