"""The accuracy that dashboards plot, read from the reports of a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert

from storage.reports.accuracy import Accuracy, newest_accuracy
from storage.states import Metric
from storage.tables import DriftReport, QualityReport, QualityValue

MODEL = "m/1.0.0"
HOUR = timedelta(hours=1)


@pytest.fixture
def today() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def add_quality(engine: Engine, end: datetime, source: str | None = None, **values: Any) -> None:
    report = {
        "model": MODEL, "role": "live", "source": source, "window_from": end - HOUR,
        "window_to": end, "window_rows": 100, "labelled_rows": 0, "calibration_rows": 100,
    }  # fmt: skip
    with engine.begin() as connection:
        report_id = connection.execute(
            insert(QualityReport).values(report).returning(QualityReport.id)
        ).scalar_one()
        connection.execute(
            insert(QualityValue).values(report_id=report_id, metric=str(Metric.ACCURACY), **values)
        )


def add_drift(engine: Engine, verdict: str, end: datetime, source: str | None = None) -> None:
    report = {
        "model": MODEL, "source": source, "verdict": verdict, "summary": "",
        "window_from": end - HOUR, "window_to": end, "window_rows": 100, "reference": "profile",
        "reference_rows": 100, "alpha": 0.01, "took_ms": 1.0, "profile_verdict": verdict,
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(DriftReport).values(report))


def accuracy(engine: Engine, source: str | None = None) -> Accuracy:
    with engine.connect() as connection:
        return newest_accuracy(connection, MODEL, source)


@pytest.mark.parametrize(
    ("verdicts", "estimated"), [(["stable"], 0.98), (["drift"], None), ([], None)]
)
def test_estimate_needs_a_window_that_was_checked_and_is_stable(
    engine: Engine, today: datetime, verdicts: Sequence[str], estimated: float | None
) -> None:
    add_quality(engine, today, estimated=0.98)
    for verdict in verdicts:
        add_drift(engine, verdict, today)
    assert accuracy(engine) == Accuracy(estimated=estimated)


def test_labels_of_the_newest_window_that_has_some_count(engine: Engine, today: datetime) -> None:
    add_quality(engine, today - 2 * HOUR, realized=0.5, combined=0.5)
    add_quality(engine, today - HOUR, realized=0.7, combined=0.8)
    add_quality(engine, today, estimated=0.98)
    assert accuracy(engine) == Accuracy(combined=0.8, realized=0.7)


def test_each_source_has_its_own_accuracy(engine: Engine, today: datetime) -> None:
    add_quality(engine, today, source="shop", realized=0.6)
    add_quality(engine, today, realized=0.9)
    assert accuracy(engine).realized == 0.9
    assert accuracy(engine, "shop").realized == 0.6
    assert accuracy(engine, "forum") == Accuracy()
