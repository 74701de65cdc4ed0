from __future__ import annotations

import logging
import resource
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitoring.export import export

NOW = datetime(2026, 11, 24, 12, 30, 5, tzinfo=UTC)


def test_a_page_is_written_into_a_folder_made_for_it(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "reports"
    path = export(folder, lambda: "<p>grün</p>", NOW)
    assert path is not None and path.is_absolute()
    assert path.name.startswith("drift-20261124T123005Z-") and path.suffix == ".html"
    assert path.read_text(encoding="utf-8") == "<p>grün</p>"
    assert list(folder.iterdir()) == [path]


def test_two_reports_of_one_second_have_a_page_each(tmp_path: Path) -> None:
    assert export(tmp_path, lambda: "1", NOW) != export(tmp_path, lambda: "2", NOW)


def test_a_relative_folder_gives_an_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = export(Path("reports"), lambda: "", NOW)
    assert path is not None and path.parent == tmp_path / "reports"


def test_a_folder_that_cannot_be_made_costs_the_page_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    assert export(tmp_path / "state" / "reports", lambda: "", NOW) is None
    assert "the report has no HTML page" in caplog.text


def test_a_page_that_does_not_fit_leaves_nothing_behind(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The kernel refuses what goes beyond, as it does on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        path = export(tmp_path, lambda: "x" * 50_000, NOW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path is None
    assert list(tmp_path.iterdir()) == []
    assert "cannot be written" in caplog.text
