from __future__ import annotations

import logging
import resource
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring.drift.html_page import export

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


def test_the_newest_pages_are_kept_and_what_else_is_there_too(tmp_path: Path) -> None:
    (tmp_path / "notes.html").write_text("a person's own")
    pages = [
        export(tmp_path, lambda: "", NOW + timedelta(hours=hour), keep=3)
        # Out of order: another worker's clock may differ.
        for hour in (1, 4, 2, 3, 5)
    ]
    assert set(tmp_path.iterdir()) == {pages[1], pages[3], pages[4], tmp_path / "notes.html"}


def test_the_page_just_written_is_kept_though_others_are_called_newer(tmp_path: Path) -> None:
    later = export(tmp_path, lambda: "", NOW + timedelta(hours=1), keep=1)
    now = export(tmp_path, lambda: "", NOW, keep=1)
    assert later is not None and now is not None
    assert not later.exists() and now.exists()


def test_a_page_that_cannot_be_removed_costs_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "drift-20200101T000000Z-000000.html").mkdir()
    assert export(tmp_path, lambda: "", NOW, keep=1) is not None
    assert "old pages of drift reports stay" in caplog.text
