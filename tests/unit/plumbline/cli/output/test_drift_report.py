from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import Row

from plumbline.cli.output.drift_report import (
    ReportWithValues,
    explanation,
    summary_table,
    values_table,
    values_to_draw,
    write_picture,
)
from plumbline.errors import ReportMissing
from tests.drift_rows import AT, drift_report, drift_value


def render(*parts: Any) -> str:
    file = io.StringIO()
    console = Console(file=file, width=120)
    for part in parts:
        console.print(part)
    return file.getvalue()


def names(values: Sequence[Row[Any]]) -> list[str]:
    return [value.feature for value in values]


def test_up_to_six_drifted_features_are_drawn() -> None:
    drifted = [drift_value(f"f{n}", drifted=True) for n in range(8)]
    values = [drift_value("joint", drifted=True), *drifted, drift_value("calm")]
    report = ReportWithValues(drift_report(), values)
    assert names(values_to_draw(report, None)) == [f"f{n}" for n in range(6)]
    assert names(values_to_draw(report, "calm")) == ["calm"]


def test_first_feature_is_drawn_if_none_drifted() -> None:
    values = [drift_value("joint", drifted=True), drift_value("near"), drift_value("far")]
    report = ReportWithValues(drift_report(), values)
    assert names(values_to_draw(report, None)) == ["near"]
    assert values_to_draw(ReportWithValues(drift_report(), []), None) == []


def test_error_names_a_feature_that_cannot_be_drawn() -> None:
    values = [drift_value("joint"), drift_value("words"), drift_value("chars")]
    report = ReportWithValues(drift_report(), values)
    with pytest.raises(ReportMissing, match="no feature 'nose'; its features are: chars, words"):
        values_to_draw(report, "nose")
    with pytest.raises(ReportMissing, match="joint is not a single column"):
        values_to_draw(report, "joint")
    with pytest.raises(ReportMissing, match="Report 7 has nothing to draw: 2 of 9 columns"):
        write_picture(report, [], Path("x.png"))


def test_values_are_printed_with_thresholds_and_an_explanation() -> None:
    values = [drift_value("joint", drifted=True), drift_value("chars")]
    report = ReportWithValues(drift_report(alpha=0.025), values)
    output = render(values_table(report.values), explanation(report)).replace("\n", " ")
    assert "all together" in output and "threshold" in output
    assert "5.30" in output and "3.14" in output
    assert "in standard errors" in output
    assert "2.5% of reports like this one are false alarms" in output
    assert "ROC AUC" not in output
    report.values.append(drift_value("text", method="abs_text_content_drift"))
    assert "ROC AUC" in explanation(report)


def test_summary_names_the_reference() -> None:
    assert "718 validation texts of m/1.0.0" in render(summary_table(drift_report()))
    report = drift_report(reference="window", reference_from=AT, reference_to=AT)
    output = render(summary_table(report))
    assert "1,500, compared with 718 texts from an earlier window" in output
    assert output.count("2026-01-02") >= 4


def test_summary_contains_the_path_of_the_page_unless_it_was_removed(tmp_path: Path) -> None:
    page = tmp_path / "drift-1.html"
    page.write_text("page")
    assert str(page) in render(summary_table(drift_report(html_path=str(page)))).replace("\n", "")
    removed = drift_report(html_path=str(tmp_path / "drift-0.html"))
    assert "removed; only the newest pages are kept" in render(summary_table(removed))
