from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring.drift.reference import earlier_window, empty_reference, profile_reference
from monitoring.drift.request import DriftReportRequest
from plumbline.settings import Settings
from scoring.artifact.artifact import PROFILE, Artifact
from scoring.errors import ArtifactInvalid
from storage.reports.drift import Observation, Window
from storage.states import ReferenceKind
from tests.artifacts import profile, write_artifact

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
ROWS = [Observation(NOW + timedelta(minutes=n), 0.5, 0.5, "review", {}) for n in range(3)]
WINDOW = Window("tiny/1.0.0", limit=10, source="shop", since=NOW - timedelta(hours=1))
SETTINGS = Settings(drift_reference_s=3_600.0, drift_max_rows=500)


def earlier(request: DriftReportRequest) -> Window:
    return earlier_window(WINDOW, ROWS, request, SETTINGS)


def test_profile_is_the_reference_of_its_version(tmp_path: Path) -> None:
    reference = profile_reference(Artifact.load(write_artifact(tmp_path)))
    assert (reference.kind, reference.rows) == (ReferenceKind.PROFILE, 2)
    assert reference.columns == profile().columns
    assert reference.edges == {"probability": [0, 0.5, 1]}
    assert (reference.since, reference.until, reference.texts) == (None, None, ())


def test_profile_of_another_version_is_refused(tmp_path: Path) -> None:
    artifact = Artifact.load(write_artifact(tmp_path))
    replace(profile(), model="tiny/0.9.0").write(tmp_path / "tiny" / "1.0.0" / PROFILE)
    with pytest.raises(ArtifactInvalid, match=r"of tiny/1\.0\.0 was made by tiny/0\.9\.0, which"):
        profile_reference(artifact)


def test_default_reference_ends_where_the_window_starts() -> None:
    assert earlier(DriftReportRequest()) == Window(
        "tiny/1.0.0", limit=500, source="shop", since=NOW - timedelta(hours=1), until=NOW
    )


def test_reference_can_be_between_two_requested_times() -> None:
    since, until = NOW - timedelta(days=2), NOW - timedelta(days=1)
    window = earlier(DriftReportRequest(reference_since=since, reference_until=until))
    assert (window.since, window.until) == (since, until)


def test_reference_never_overlaps_the_window() -> None:
    assert earlier(DriftReportRequest(reference_until=NOW + timedelta(days=1))).until == NOW


def test_empty_reference_has_neither_rows_nor_columns() -> None:
    reference = empty_reference(ReferenceKind.WINDOW)
    assert (reference.kind, reference.rows, reference.columns) == (ReferenceKind.WINDOW, 0, {})
