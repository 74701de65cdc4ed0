from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from monitoring.drift.dashboard import METRIC, PREDICTIONS
from monitoring.drift.dashboard_file import (
    DASHBOARD,
    SOURCES,
    is_untouched_first_layout,
    update_dashboard,
)
from scoring.input.features import INPUT_FEATURES


def first_layout() -> dict[str, Any]:
    """Return the dashboard that earlier releases wrote."""

    def line(legend: str, metric: str) -> dict[str, Any]:
        return {"legend": legend, "metric": METRIC + metric, "metadata": {"scope": "all"}}

    names = (*PREDICTIONS, *INPUT_FEATURES)
    panels = [
        {
            "id": "1",
            "title": "All columns together",
            "size": "full",
            "values": [line("all columns", "JointDistance")],
        },
        {
            "id": "2",
            "title": "Each column",
            "size": "full",
            "values": [line(name, "Distance") for name in names],
        },
    ]
    return {"tabs": [{"id": "3", "title": "Drift", "panels": ["1", "2"]}], "panels": panels}


def titles(project: Path) -> list[str]:
    document = json.loads((project / DASHBOARD).read_text())
    return [panel["title"] for panel in document["panels"]]


def test_new_project_has_panels_of_all_sources_and_of_the_reported_one(tmp_path: Path) -> None:
    update_dashboard(tmp_path, "shop")
    assert len(titles(tmp_path)) == 10
    assert json.loads((tmp_path / SOURCES).read_text()) == {"sources": [None, "shop"]}


def test_untouched_dashboard_of_an_earlier_release_is_replaced(tmp_path: Path) -> None:
    (tmp_path / DASHBOARD).write_text(json.dumps(first_layout()))
    update_dashboard(tmp_path, None)
    assert "Each column" not in titles(tmp_path)
    assert len(titles(tmp_path)) == 5


def test_changed_dashboard_of_an_earlier_release_gets_the_panels_in_addition(
    tmp_path: Path,
) -> None:
    changed = first_layout()
    changed["panels"][1]["values"].pop()
    assert is_untouched_first_layout(first_layout()) and not is_untouched_first_layout(changed)
    (tmp_path / DASHBOARD).write_text(json.dumps(changed))
    update_dashboard(tmp_path, None)
    assert titles(tmp_path)[:2] == ["All columns together", "Each column"]
    assert len(titles(tmp_path)) == 7


def test_deleted_dashboard_is_written_again(tmp_path: Path) -> None:
    update_dashboard(tmp_path, "shop")
    (tmp_path / DASHBOARD).unlink()
    update_dashboard(tmp_path, "forum")
    assert {title.partition(":")[0] for title in titles(tmp_path)} == {"All sources", "forum"}


@pytest.mark.parametrize("text", ["not JSON", "[]", '{"tabs": [{}], "panels": []}'])
def test_dashboard_of_another_release_of_evidently_stays_as_it_is(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    (tmp_path / DASHBOARD).write_text(text)
    update_dashboard(tmp_path, "shop")
    assert (tmp_path / DASHBOARD).read_text() == text
    (record,) = caplog.records
    assert "is not updated, because it cannot be read" in record.getMessage()


def test_unchanged_dashboard_is_not_written(tmp_path: Path) -> None:
    update_dashboard(tmp_path, "shop")
    before = (tmp_path / DASHBOARD).stat()
    update_dashboard(tmp_path, "shop")
    after = (tmp_path / DASHBOARD).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
