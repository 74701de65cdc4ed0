from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitoring.drift.assessment import Assessment, AssessmentInput
from monitoring.drift.export import recorded_values, report_content
from monitoring.drift.reference import Reference
from plumbline.settings import Settings
from storage.reports.accuracy import Accuracy
from storage.reports.drift import NewDriftValue, Observation, Window
from storage.states import JOINT_FEATURE, DriftVerdict, ReferenceKind

AT = datetime(2026, 1, 2, tzinfo=UTC)
HISTOGRAM = {"edges": [0.0, 1.0], "reference": [1.0], "window": [1.0]}


def value(feature: str, threshold: float, histogram: dict[str, Any]) -> NewDriftValue:
    return NewDriftValue(feature, "shares", 1.0, threshold, False, histogram)


VALUES = [
    value(JOINT_FEATURE, 6.0, {}), value("chars", 4.0, HISTOGRAM), value("text", 0.6, {})
]  # fmt: skip
ASSESSMENT = Assessment(DriftVerdict.STABLE, "none drifted", VALUES)


@pytest.fixture
def settings() -> Settings:
    return Settings(database_url="postgresql://localhost/x")


def test_thresholds_and_known_accuracies_are_recorded(settings: Settings) -> None:
    assert recorded_values(ASSESSMENT, Accuracy(realized=0.7), settings) == {
        "joint threshold": 6.0,
        "column threshold": 4.0,
        "estimate alert": 0.9,
        "realized accuracy": 0.7,
    }


def test_alert_thresholds_have_a_line_each_if_they_differ(settings: Settings) -> None:
    for changes, lines in (
        ({"alert_realized_accuracy": 0.8}, {"estimate alert": 0.9, "realized alert": 0.8}),
        ({"alert_estimated_accuracy": 0.0}, {"realized alert": 0.9}),
        ({"alert_estimated_accuracy": 0.0, "alert_realized_accuracy": 0.0}, {}),
    ):
        recorded = recorded_values(ASSESSMENT, Accuracy(), settings.model_copy(update=changes))
        assert {name: recorded[name] for name in recorded if "alert" in name} == lines


def test_heading_describes_window_and_reference() -> None:
    headings = []

    def content(heading: Any) -> dict[str, Any]:
        headings.append(heading)
        return {"widgets": []}

    rows = [Observation(AT + timedelta(minutes=n), 0.5, 0.5, "review", {}) for n in (0, 9)]
    reference = Reference(ReferenceKind.WINDOW, 50, {}, {}, description="traffic of May")
    data = AssessmentInput(rows, reference)
    window = Window("m/1.0.0", 9, "shop")
    assert report_content(window, data, replace(ASSESSMENT, content=content)) == {"widgets": []}
    (heading,) = headings
    assert heading.title == "m/1.0.0, source shop: stable"
    assert heading.window == "2 texts, scored 2026-01-02 00:00 to 2026-01-02 00:09 UTC"
    assert heading.compared_with == "50 texts: traffic of May"


def test_report_that_compared_nothing_has_no_page() -> None:
    data = AssessmentInput((), Reference(ReferenceKind.PROFILE, 0, {}, {}))
    assert report_content(Window("m/1.0.0", 9), data, ASSESSMENT) is None
