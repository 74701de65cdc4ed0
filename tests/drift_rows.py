"""Rows of a drift report, not stored, for tests of what is printed and drawn."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

from tests.rows import row

AT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
HISTOGRAM = {"edges": [0.0, 1.0], "reference": [1.0], "window": [1.0]}


def drift_report(**fields: Any) -> Row[Any]:
    defaults = {
        "id": 7, "model": "m/1.0.0", "source": None, "verdict": "drift",
        "summary": "2 of 9 columns drifted", "window_rows": 1_500, "window_from": AT,
        "window_to": AT, "reference": "profile", "reference_rows": 718, "reference_from": None,
        "reference_to": None, "alpha": 0.05, "html_path": None, "created_at": AT,
        "took_ms": 1_500.0, "accepted_id": None, "profile_verdict": None, "scheduled": True,
        "chosen_window": False, "chosen_reference": False, "task_id": None,
    }  # fmt: skip
    return row(**defaults | fields)


def drift_value(feature: str, **fields: Any) -> Row[Any]:
    """A value that has a histogram unless it stands for several columns or for the texts."""
    defaults = {
        "report_id": 7, "feature": feature, "method": "mean-and-spread", "value": 5.3,
        "threshold": 3.14, "drifted": False,
        "histogram": {} if feature in ("joint", "text") else HISTOGRAM,
    }  # fmt: skip
    return row(**defaults | fields)
