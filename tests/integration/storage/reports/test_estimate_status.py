"""Whether an estimate is shown, given the drift reports on its texts, on a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from storage.reports import quality
from storage.reports.quality import MetricValues, NewMetricValues, QualityWindow

MODEL = "m/1.0.0"
MIDNIGHT = datetime(2025, 5, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)

INSERT_DRIFT = text("""
INSERT INTO plumbline.drift_reports
    (model, source, verdict, summary, window_from, window_to, window_rows, reference,
     reference_rows, profile_verdict, took_ms)
VALUES (:model, :source, :verdict, '', :window_from, :window_to, 500, :reference, 500,
        :profile_verdict, 1)
""")
STATUS = text("SELECT plumbline.estimate_status_v1(:model, :source, :scored_from, :scored_to)")


def add_drift(engine: Engine, verdict: str, start_h: float, end_h: float, **fields: Any) -> None:
    """Add a drift report on the texts between two hours of the day."""
    row = {
        "model": MODEL,
        "source": None,
        "verdict": verdict,
        "window_from": MIDNIGHT + start_h * HOUR,
        "window_to": MIDNIGHT + end_h * HOUR,
        "reference": "profile",
        "profile_verdict": None,
    }
    with engine.begin() as connection:
        connection.execute(INSERT_DRIFT, row | fields)


def status(engine: Engine, source: str | None = None, start_h: float = 8, end_h: float = 20) -> str:
    parameters = {
        "model": MODEL,
        "source": source,
        "scored_from": MIDNIGHT + start_h * HOUR,
        "scored_to": MIDNIGHT + end_h * HOUR,
    }
    with engine.connect() as connection:
        return str(connection.execute(STATUS, parameters).scalar_one())


def test_texts_without_a_report_are_unchecked(engine: Engine) -> None:
    assert status(engine) == "unchecked"
    add_drift(engine, "drift", 8, 20, model="m/2.0.0")
    add_drift(engine, "drift", 0, 7)
    add_drift(engine, "drift", 21, 23)
    add_drift(engine, "too_little_data", 8, 20)
    add_drift(engine, "failed", 8, 20)
    assert status(engine) == "unchecked", "none of them is a verdict on these texts"


@pytest.mark.parametrize(("verdict", "expected"), [("stable", "trusted"), ("drift", "drift")])
def test_verdict_on_the_texts_decides(engine: Engine, verdict: str, expected: str) -> None:
    add_drift(engine, verdict, 8, 20)
    assert status(engine) == status(engine, source="shop") == expected
    add_drift(engine, "too_little_data", 8, 20)
    add_drift(engine, "failed", 8, 20)
    assert status(engine) == expected, "reports without a verdict change nothing"


def test_drift_of_a_source_is_drift_of_all_texts_and_not_of_another_source(engine: Engine) -> None:
    add_drift(engine, "stable", 8, 20)
    add_drift(engine, "drift", 9, 10, source="shop")
    assert status(engine) == status(engine, source="shop") == "drift"
    assert status(engine, source="mail") == "trusted"


def test_stable_source_says_nothing_about_all_texts(engine: Engine) -> None:
    add_drift(engine, "stable", 8, 20, source="shop")
    assert status(engine, source="shop") == "trusted"
    assert status(engine) == status(engine, source="mail") == "unchecked"


def test_newer_stable_report_on_the_same_texts_ends_the_drift(engine: Engine) -> None:
    add_drift(engine, "drift", 8, 19)
    add_drift(engine, "stable", 12, 20)
    assert status(engine) == "drift", "the newer report does not contain the texts before 12"
    add_drift(engine, "stable", 8, 20)
    assert status(engine) == "trusted"
    add_drift(engine, "drift", 18, 20)
    assert status(engine) == "drift"


def test_drift_of_later_texts_is_not_that_of_texts_found_stable_before(engine: Engine) -> None:
    add_drift(engine, "stable", 8, 20)
    add_drift(engine, "drift", 10, 34)
    assert status(engine) == "trusted"
    assert status(engine, start_h=24, end_h=34) == "drift"


def test_stable_report_on_few_of_the_texts_leaves_them_unchecked(engine: Engine) -> None:
    add_drift(engine, "stable", 7, 9)
    assert status(engine) == "unchecked"
    add_drift(engine, "stable", 13, 15)
    assert status(engine) == "trusted", "together they reach over half of the time"


def test_verdict_against_the_profile_counts_whatever_the_reference_is(engine: Engine) -> None:
    """Estimates are calibrated on the profile's texts, not on those that somebody accepted."""
    add_drift(engine, "stable", 8, 20, reference="accepted", profile_verdict="drift")
    assert status(engine) == "drift"
    add_drift(engine, "drift", 8, 20, reference="window", profile_verdict="stable")
    assert status(engine) == "trusted"


def test_stable_traffic_without_a_verdict_against_the_profile_is_unchecked(engine: Engine) -> None:
    add_drift(engine, "stable", 8, 20, reference="window")
    assert status(engine) == "unchecked"
    add_drift(engine, "drift", 8, 20, reference="window")
    assert status(engine) == "drift"


VALUES = NewMetricValues(
    "accuracy",
    *(0.75, 0.5, 0.875),
    *(1.0, 0.25, 1.0),
    *(0.5, 0.25, 0.625),
    *(0.7, 0.6, 0.8),
)


def read(engine: Engine, **fields: Any) -> tuple[QualityWindow, MetricValues]:
    window = QualityWindow(
        model=MODEL,
        role="live",
        source=None,
        window_from=MIDNIGHT,
        window_to=MIDNIGHT + 24 * HOUR,
        window_rows=1_000,
        labelled_rows=50,
        positive_share=0.5,
        calibration_rows=700,
        metrics=[VALUES],
        scored_from=MIDNIGHT + 8 * HOUR,
        scored_to=MIDNIGHT + 20 * HOUR,
        random_rows=50,
        labelled_sources=["shop"],
        labelled_share=0.25,
        combined_share=0.25,
    )
    with engine.begin() as connection:
        quality.write(connection, [window])
        (report,) = quality.find_windows(connection)
    (values,) = report.metrics
    return report, values


def test_report_shows_the_estimate_and_the_combined_value_by_the_status(engine: Engine) -> None:
    unchecked, values = read(engine)
    assert unchecked.estimate_status == "unchecked"
    assert (values.estimated, values.combined, unchecked.combined_share) == (0.75, 0.5, 0.25)
    add_drift(engine, "stable", 8, 20)
    trusted, values = read(engine)
    assert trusted.estimate_status == "trusted"
    assert (values.estimated, values.combined, values.combined_high) == (0.75, 0.7, 0.8)
    assert trusted.combined_share == 1.0, "the calibration is that of all sources"
    add_drift(engine, "drift", 8, 20)
    drifted, values = read(engine)
    assert drifted.estimate_status == "drift"
    assert values.estimated is values.estimated_low is values.estimated_high is None
    assert (values.combined, values.combined_low, values.combined_high) == (0.5, 0.25, 0.625)
    assert (drifted.combined_share, values.realized) == (0.25, 1.0)


def test_view_withholds_the_estimate_of_texts_that_drifted(engine: Engine) -> None:
    read(engine)
    add_drift(engine, "drift", 8, 20)
    with engine.connect() as connection:
        row = connection.execute(text("SELECT * FROM plumbline.quality")).one()
    assert row.estimate_status == "drift"
    assert row.estimated is row.estimated_low is row.estimated_high is None
    assert (row.combined, row.combined_share, row.random_rows) == (0.5, 0.25, 50)
    assert (row.realized, row.labelled_share, row.labelled_sources) == (1.0, 0.25, ["shop"])
