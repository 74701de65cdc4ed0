from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from plumbline.cli.commands.quality import bounded, span, table_of, values_of
from storage.reports.quality import Measure, Report

START = datetime(2026, 3, 1, tzinfo=UTC)
REPORT = Report(
    model="sms-spam/1.0.0",
    role="shadow",
    source="shop",
    window_from=START,
    window_to=START + timedelta(days=1),
    window_rows=1_200,
    labelled_rows=40,
    positive_share=0.1,
    calibration_rows=718,
    measures=[
        Measure("accuracy", 0.991, 0.982, 0.997, 0.95, 0.84, 0.99),
        Measure("f1", None, None, None, None, None, None),
    ],
)


def test_a_row_says_whose_it_is_and_both_numbers() -> None:
    console = Console(width=120, record=True, file=None)
    with console.capture() as shown:
        console.print(table_of([REPORT]))
    for word in ("2026-03-01", "sms-spam/1.0.0", "shop", "shadow", "1,200", "40"):
        assert word in shown.get()
    assert "0.991" in shown.get() and "0.982-0.997" in shown.get()
    assert "0.950" in shown.get() and "0.840-0.990" in shown.get()


def test_what_has_no_value_is_left_empty() -> None:
    assert str(bounded(None, None, None)) == ""
    assert str(bounded(0.5, 0.25, 0.75)) == "0.500\n0.250-0.750"


@pytest.mark.parametrize(
    ("start", "hours", "shown"),
    [(0, 24, "2026-03-01"), (0, 1, "2026-03-01\n00:00-01:00"), (6, 24, "2026-03-01\n06:00-06:00")],
)
def test_a_day_is_its_date_and_other_windows_have_times(start: int, hours: int, shown: str) -> None:
    begin = START + timedelta(hours=start)
    assert span(begin, begin + timedelta(hours=hours)) == shown


def test_programs_get_the_metrics_by_name() -> None:
    told = values_of(REPORT)
    assert told["metrics"]["accuracy"]["realized_low"] == 0.84
    assert told["metrics"]["f1"]["estimated"] is None
    assert (told["role"], told["labelled_rows"]) == ("shadow", 40)
    assert "measures" not in told
