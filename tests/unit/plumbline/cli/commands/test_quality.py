from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from plumbline.cli.commands.quality import (
    format_interval,
    format_period,
    window_to_json,
    windows_table,
)
from storage.reports.quality import MetricValues, QualityWindow

START = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = QualityWindow(
    model="sms-spam/1.0.0",
    role="shadow",
    source="shop",
    window_from=START,
    window_to=START + timedelta(days=1),
    window_rows=1_200,
    labelled_rows=40,
    positive_share=0.1,
    calibration_rows=718,
    metrics=[
        MetricValues("accuracy", 0.991, 0.982, 0.997, 0.95, 0.84, 0.99),
        MetricValues("f1", None, None, None, None, None, None),
    ],
)


def test_row_has_version_source_role_and_both_metrics() -> None:
    console = Console(width=120, record=True, file=None)
    with console.capture() as output:
        console.print(windows_table([WINDOW]))
    for word in ("2026-03-01", "sms-spam/1.0.0", "shop", "shadow", "1,200", "40"):
        assert word in output.get()
    assert "0.991" in output.get() and "0.982-0.997" in output.get()
    assert "0.950" in output.get() and "0.840-0.990" in output.get()


def test_missing_value_is_an_empty_cell() -> None:
    assert str(format_interval(None, None, None)) == ""
    assert str(format_interval(0.5, 0.25, 0.75)) == "0.500\n0.250-0.750"


@pytest.mark.parametrize(
    ("start_h", "hours", "expected"),
    [(0, 24, "2026-03-01"), (0, 1, "2026-03-01\n00:00-01:00"), (6, 24, "2026-03-01\n06:00-06:00")],
)
def test_day_is_a_date_and_another_window_has_times(
    start_h: int, hours: int, expected: str
) -> None:
    begin = START + timedelta(hours=start_h)
    assert format_period(begin, begin + timedelta(hours=hours)).plain == expected


def test_json_has_the_metrics_by_name() -> None:
    document = window_to_json(WINDOW)
    assert document["metrics"]["accuracy"]["realized_low"] == 0.84
    assert document["metrics"]["f1"]["estimated"] is None
    assert (document["role"], document["labelled_rows"]) == ("shadow", 40)
    assert "measures" not in document
