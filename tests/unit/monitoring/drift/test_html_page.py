from __future__ import annotations

import logging
import resource
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring.drift.html_page import write_page

NOW = datetime(2026, 11, 24, 12, 30, 5, tzinfo=UTC)


def test_page_is_written_and_its_folder_created(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "reports"
    path = write_page(folder, lambda: "<p>grün</p>", NOW)
    assert path is not None and path.is_absolute()
    assert path.name.startswith("drift-20261124T123005Z-") and path.suffix == ".html"
    assert path.read_text(encoding="utf-8") == "<p>grün</p>"
    assert list(folder.iterdir()) == [path]


def test_two_reports_of_one_second_have_different_pages(tmp_path: Path) -> None:
    assert write_page(tmp_path, lambda: "1", NOW) != write_page(tmp_path, lambda: "2", NOW)


def test_relative_folder_gives_an_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_page(Path("reports"), lambda: "", NOW)
    assert path is not None and path.parent == tmp_path / "reports"


def test_folder_that_cannot_be_created_gives_no_page(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_text("a file instead of a folder")
    assert write_page(tmp_path / "state" / "reports", lambda: "", NOW) is None
    assert "the report has no HTML page" in caplog.text


def test_page_that_does_not_fit_leaves_no_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The kernel rejects writes beyond this size, as on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        path = write_page(tmp_path, lambda: "x" * 50_000, NOW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path is None
    assert list(tmp_path.iterdir()) == []
    assert "cannot be written" in caplog.text


def test_newest_pages_and_other_files_are_kept(tmp_path: Path) -> None:
    (tmp_path / "notes.html").write_text("not a page of a report")
    pages = [
        write_page(tmp_path, lambda: "", NOW + timedelta(hours=hour), keep=3)
        # Out of order, because the clocks of workers may differ.
        for hour in (1, 4, 2, 3, 5)
    ]
    assert set(tmp_path.iterdir()) == {pages[1], pages[3], pages[4], tmp_path / "notes.html"}


def test_new_page_is_kept_even_if_others_have_newer_names(tmp_path: Path) -> None:
    later = write_page(tmp_path, lambda: "", NOW + timedelta(hours=1), keep=1)
    now = write_page(tmp_path, lambda: "", NOW, keep=1)
    assert later is not None and now is not None
    assert not later.exists() and now.exists()


def test_pages_named_by_a_clock_that_was_ahead_do_not_displace_new_ones(tmp_path: Path) -> None:
    for day in (40, 41):
        write_page(tmp_path, lambda: "", NOW + timedelta(days=day), keep=2)
    pages = [
        write_page(tmp_path, lambda: "", NOW + timedelta(minutes=minute), keep=2)
        for minute in range(3)
    ]
    assert set(tmp_path.iterdir()) == set(pages[1:])


def test_page_that_cannot_be_deleted_does_not_prevent_a_new_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "drift-20200101T000000Z-000000.html").mkdir()
    assert write_page(tmp_path, lambda: "", NOW, keep=1) is not None
    assert "cannot be deleted" in caplog.text
