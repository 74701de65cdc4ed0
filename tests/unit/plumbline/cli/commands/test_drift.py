from __future__ import annotations

from pathlib import Path

import pytest

from plumbline.cli.commands.drift import find_page, run
from plumbline.errors import OptionInvalid, ReportMissing
from tests.drift_rows import drift_report


def test_window_larger_than_the_setting_is_refused() -> None:
    with pytest.raises(OptionInvalid, match=r"^--last is at most 10,000 here \(PLUMBLINE_DRIFT_M"):
        run(last=10_001)


def test_error_for_a_missing_page_contains_the_reason(tmp_path: Path) -> None:
    page = tmp_path / "drift-1.html"
    page.write_text("page")
    assert find_page(drift_report(html_path=str(page))) == page
    removed = drift_report(html_path=str(tmp_path / "drift-0.html"))
    with pytest.raises(ReportMissing, match=r"was removed.*PLUMBLINE_DRIFT_PAGES.*drift show 7"):
        find_page(removed)
    elsewhere = drift_report(html_path=str(tmp_path / "none" / "drift-0.html"))
    with pytest.raises(ReportMissing, match="is not on this machine at"):
        find_page(elsewhere)
    with pytest.raises(ReportMissing, match="Report 7 has no page"):
        find_page(drift_report())
