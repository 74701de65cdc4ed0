"""Which report's verdict holds, without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storage.reports.current_verdicts import CurrentVerdict, select_current

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MODEL = "m/1.0.0"
HOUR = timedelta(hours=1)
VALID_SINCE = NOW - 3 * HOUR

STABLE = {"verdict": "stable"}
DRIFT = {"verdict": "drift"}
FAILED = {"verdict": "failed", "window_rows": 0}
TOO_FEW = {"verdict": "too_little_data", "window_rows": 3}
MANUAL = {"scheduled": False}
CHOSEN_WINDOW = MANUAL | {"chosen_window": True, "window_rows": 50}
CHOSEN_REFERENCE = MANUAL | {"chosen_reference": True}


def report(**fields: Any) -> CurrentVerdict:
    defaults: dict[str, Any] = {
        "id": 1, "model": MODEL, "source": None, "verdict": "stable", "summary": "",
        "created_at": NOW, "window_rows": 500, "overall": True,
    }  # fmt: skip
    return CurrentVerdict(**defaults | fields)


def current(*oldest_first: dict[str, Any]) -> list[int]:
    """Return the positions of the reports on one subject that hold, the worst first."""
    reports = [report(id=position, **fields) for position, fields in enumerate(oldest_first)]
    return [verdict.id for verdict in select_current(reversed(reports), VALID_SINCE)]


@pytest.mark.parametrize("fields", [{}, MANUAL])
def test_newer_report_of_the_standard_window_replaces_the_verdict(fields: dict[str, Any]) -> None:
    assert current(DRIFT, STABLE | fields) == [1]
    assert current(STABLE, DRIFT | fields) == [1]
    assert current(FAILED, STABLE | fields) == [1]


@pytest.mark.parametrize(
    "newer",
    [
        TOO_FEW,
        TOO_FEW | MANUAL,
        STABLE | CHOSEN_WINDOW,
        STABLE | CHOSEN_REFERENCE,
        STABLE | CHOSEN_WINDOW | {"chosen_reference": True, "window_rows": 9_000},
    ],
)
def test_drift_is_not_ended_by_less_than_was_compared(newer: dict[str, Any]) -> None:
    assert current(DRIFT, newer) == [0]
    assert current(DRIFT, newer, newer) == [0]


def test_chosen_window_as_large_ends_drift() -> None:
    assert current(DRIFT, STABLE | CHOSEN_WINDOW | {"window_rows": 500}) == [1]
    assert current(DRIFT | CHOSEN_WINDOW, STABLE | CHOSEN_WINDOW) == [1]


def test_drift_of_any_window_is_reported() -> None:
    assert current(STABLE, DRIFT | CHOSEN_WINDOW) == [1]
    assert current(STABLE, DRIFT | CHOSEN_REFERENCE) == [1]
    assert current(STABLE, DRIFT | CHOSEN_WINDOW, STABLE) == [2]


def test_failure_does_not_end_drift_and_both_hold() -> None:
    assert current(DRIFT, FAILED) == [0, 1]
    assert current(DRIFT, FAILED, STABLE) == [2]
    assert current(DRIFT, FAILED, DRIFT) == [2]


def test_failure_with_a_reference_of_the_requester_says_nothing_about_the_version() -> None:
    assert current(STABLE, FAILED | CHOSEN_REFERENCE) == [0]
    assert current(FAILED | CHOSEN_REFERENCE) == []


def test_scheduled_report_on_too_few_texts_ends_a_verdict_that_is_old() -> None:
    old = {"created_at": VALID_SINCE - HOUR}
    assert current(DRIFT | old, TOO_FEW) == [1]
    assert current(DRIFT | old, TOO_FEW | MANUAL) == [0]
    # The reports worker is down: nothing was found out since.
    assert current(DRIFT | old) == [0]


def test_first_report_on_too_few_texts_is_the_verdict() -> None:
    assert current(TOO_FEW, TOO_FEW) == [1]
    assert current(STABLE, TOO_FEW) == [0]
    assert current() == []


def test_worst_comes_first_and_among_equals_the_strongest() -> None:
    reports = [
        report(id=1, strength=2.0, **DRIFT),
        report(id=2, source="mail", **STABLE),
        report(id=3, source="shop", strength=9.0, **DRIFT),
        report(id=4, source="wap", **FAILED),
    ]
    assert [verdict.id for verdict in select_current(reports, VALID_SINCE)] == [3, 1, 4, 2]
