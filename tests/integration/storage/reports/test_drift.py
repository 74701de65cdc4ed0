"""Stored drift reports on a real PostgreSQL."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine

from storage.reports.drift import (
    NewDriftReport,
    NewDriftValue,
    add_report,
    find_report,
    find_reports,
    report_id_of_task,
)


def new_report(**fields: Any) -> NewDriftReport:
    defaults: dict[str, Any] = {
        "model": "m/1.0.0",
        "source": None,
        "verdict": "stable",
        "summary": "",
        "window_from": None,
        "window_to": None,
        "window_rows": 1,
        "reference": "profile",
        "reference_from": None,
        "reference_to": None,
        "reference_rows": 1,
        "alpha": 0.05,
        "html_path": None,
        "task_id": None,
        "took_ms": 1.0,
    }
    return NewDriftReport(**defaults | fields)


def add(engine: Engine, *values: NewDriftValue, **fields: Any) -> int:
    with engine.begin() as connection:
        return add_report(connection, new_report(**fields), values)


@pytest.fixture
def report_ids(engine: Engine) -> list[int]:
    return [
        add(engine, summary="old"),
        add(engine, source="shop", verdict="drift", html_path="/tmp/1.html"),
        add(engine, source="mail"),
        add(engine, verdict="drift", task_id="a task"),
    ]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, [3, 2, 1, 0]),
        ({"limit": 1}, [3]),
        ({"source": "shop"}, [1]),
        ({"verdict": "drift"}, [3, 1]),
        ({"with_page": True}, [1]),
        ({"source": "mail", "verdict": "drift"}, []),
    ],
)
def test_reports_meet_every_condition_and_the_newest_come_first(
    engine: Engine, report_ids: list[int], conditions: dict[str, Any], expected: list[int]
) -> None:
    with engine.connect() as connection:
        reports = find_reports(connection, **conditions)
    assert [report.id for report in reports] == [report_ids[position] for position in expected]


def test_report_of_a_task_is_its_newest(engine: Engine, report_ids: list[int]) -> None:
    with engine.connect() as connection:
        assert report_id_of_task(connection, "a task") == report_ids[3]
        assert report_id_of_task(connection, "another task") is None


def test_values_of_a_report_are_ordered_by_how_far_they_exceed_their_threshold(
    engine: Engine,
) -> None:
    values = [
        NewDriftValue("stable", "m", 1.0, 2.0, False, {}),
        NewDriftValue("slightly above", "m", 22.0, 20.0, True, {}),
        NewDriftValue("far above", "m", 3.0, 1.0, True, {}),
    ]
    report_id = add(engine, *values)
    with engine.connect() as connection:
        row = find_report(connection, report_id)
        assert find_report(connection, report_id + 1) is None
    assert row is not None and row[0].id == report_id
    assert [value.feature for value in row[1]] == ["far above", "slightly above", "stable"]
