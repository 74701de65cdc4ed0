from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from plumbline.cli.commands.quality import (
    format_interval,
    format_period,
    notices,
    window_to_json,
    windows_table,
)
from plumbline.cli.output.console import VisibleConsole
from storage.reports.quality import MetricValues, QualityWindow
from storage.states import EstimateStatus

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
        MetricValues("accuracy", 0.991, 0.982, 0.997, 0.95, 0.84, 0.99, 0.962, 0.93, 0.985),
        MetricValues("f1"),
    ],
    random_rows=40,
    labelled_share=1.0,
    combined_share=1.0,
    estimate_status=EstimateStatus.TRUSTED,
)


def shown(*windows: QualityWindow, width: int = 80) -> str:
    console = VisibleConsole(width=width, record=True, file=None)
    with console.capture() as output:
        console.print(windows_table(windows, width))
    return output.get()


def test_row_has_version_source_role_and_both_metrics() -> None:
    output = shown(WINDOW)
    for word in ("2026-03-01", "sms-spam/1.0.0", "shop", "shadow", "1,200 texts", "40 labels"):
        assert word in output
    assert "0.991" in output and "0.982-0.997" in output
    assert "0.950" in output and "0.840-0.990" in output
    assert "0.962" in output and "0.930-0.985" in output
    assert "\\n" not in output


@pytest.mark.parametrize("width", [60, 80])
def test_headings_and_intervals_are_whole_in_a_narrow_terminal(width: int) -> None:
    values = MetricValues("f1", *(0.991, 0.982, 0.997) * 3)
    output = shown(replace(WINDOW, metrics=[values]), width=width)
    heading = next(line for line in output.splitlines() if "window" in line)
    assert heading.split() == ["window", "metric", "estimated", "combined", "realized"]
    assert output.count("0.982-0.997") == 3
    assert max(map(len, output.splitlines())) <= width


def test_estimate_under_drift_is_withheld_and_marked() -> None:
    window = replace(WINDOW, estimate_status=EstimateStatus.DRIFT, metrics=[])
    words = shown(window).split()
    assert all(word in words for word in ("not", "trustworthy", "under", "drift"))
    assert window_to_json(window)["estimate_note"] == "not trustworthy under drift"


def test_estimate_that_was_not_checked_for_drift_is_marked() -> None:
    unchecked = replace(WINDOW, estimate_status=EstimateStatus.UNCHECKED)
    assert "not checked" in shown(unchecked) and "0.991" in shown(unchecked)
    assert "not checked" not in shown(WINDOW)
    nothing = replace(unchecked, metrics=[])
    assert "not checked" not in shown(nothing)


def test_labels_of_some_sources_or_not_at_random_are_marked() -> None:
    partial = replace(
        WINDOW,
        source=None,
        random_rows=12,
        labelled_sources=["youtube"],
        labelled_share=0.25,
        combined_share=0.25,
    )
    output = shown(partial)
    for note in ("all sources", "12 at random", "youtube only", "of 25%"):
        assert note in output
    assert "youtube, 1 more only" in shown(replace(partial, labelled_sources=["youtube", "mail"]))
    assert "only" not in shown(replace(partial, labelled_share=1.0))


def test_drift_without_labels_asks_for_a_random_sample() -> None:
    live = replace(WINDOW, role="live", random_rows=0, estimate_status=EstimateStatus.DRIFT)
    assert notices([live]) == [
        "The texts of sms-spam/1.0.0, source shop have drifted, so the estimate of its accuracy is "
        "withheld: label a random sample: `plumbline results --sample 50 --by random --source shop "
        "--output sample.csv`, fill in its column `label`, then `plumbline label sample.csv`."
    ]
    assert notices([replace(live, random_rows=50, combined_share=1.0)]) == []
    assert notices([replace(live, estimate_status=EstimateStatus.TRUSTED)]) == []
    assert notices([]) == []


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
    assert (document["estimate_status"], document["estimate_note"]) == ("trusted", None)
    assert "measures" not in document
