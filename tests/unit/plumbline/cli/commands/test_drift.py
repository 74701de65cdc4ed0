from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from plumbline.cli.commands.drift import run
from plumbline.cli.commands.drift_page import page
from plumbline.cli.commands.drift_request import arguments
from plumbline.cli.output import drift_report
from plumbline.cli.output.drift_report import Report, explained, head_table, to_draw, values_table
from plumbline.errors import OptionInvalid, ReportMissing
from storage.tables import DriftReport, DriftValue

AT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
HISTOGRAM = {"edges": [0.0, 1.0], "reference": [1.0], "window": [1.0]}


def head(**fields: Any) -> DriftReport:
    given = {
        "id": 7, "model": "m/1.0.0", "source": None, "verdict": "drift", "summary": "so it is",
        "window_rows": 1_500, "window_from": AT, "window_to": AT, "reference": "profile",
        "reference_rows": 718, "reference_from": None, "reference_to": None, "alpha": 0.05,
        "html_path": None, "created_at": AT, "took_ms": 1_500.0,
    }  # fmt: skip
    return DriftReport(**given | fields)


def value(feature: str, *, drifted: bool = False, **fields: Any) -> DriftValue:
    given = {
        "report_id": 7, "method": "mean-and-spread", "value": 5.3, "threshold": 3.14,
        "histogram": {} if feature in ("joint", "text") else HISTOGRAM,
    }  # fmt: skip
    return DriftValue(**given | {"feature": feature, "drifted": drifted} | fields)


def printed(*things: Any) -> str:
    console = Console(file=io.StringIO(), width=120)
    for thing in things:
        console.print(thing)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def names(values: list[DriftValue]) -> list[str]:
    return [value.feature for value in values]


def test_a_plain_request_says_nothing_an_older_worker_would_not_know() -> None:
    assert arguments() == {}
    assert arguments(source="shop") == {"source": "shop"}


def test_a_window_larger_than_a_report_may_have_is_refused() -> None:
    with pytest.raises(OptionInvalid, match=r"^--last is at most 10,000 here \(PLUMBLINE_DRIFT_M"):
        run(last=10_001)


def test_every_option_travels() -> None:
    given = arguments(
        source="shop",
        last=500,
        reference=ReferenceKind.WINDOW,
        reference_since="2026-01-01T00:00+00:00",
        reference_until="2026-01-02T00:00+00:00",
        text=True,
    )
    assert given == {
        "source": "shop",
        "last": 500,
        "reference": "window",
        "reference_since": "2026-01-01T00:00:00+00:00",
        "reference_until": "2026-01-02T00:00:00+00:00",
        "text": True,
    }
    assert arguments(since="2026-01-01T01:00+01:00") == {"since": "2026-01-01T00:00:00+00:00"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"since": "1h", "last": 5}, "--since and --last exclude each other"),
        ({"reference_since": "1d"}, "--reference-since is of an earlier window"),
        ({"reference_until": "1d"}, "--reference-until is of an earlier window"),
        ({"text": True}, "--text compares texts, and a profile holds none"),
        ({"text": True, "reference": ReferenceKind.PROFILE}, "give --reference window too"),
        (
            {"reference": ReferenceKind.WINDOW, "reference_since": "1d", "reference_until": "2d"},
            "--reference-since must be before --reference-until",
        ),
        ({"reference": ReferenceKind.WINDOW, "reference_since": "soon"}, "--reference-since wants"),
        ({"since": "soon"}, "--since wants"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(OptionInvalid) as refused:
        arguments(**options)
    assert says in str(refused.value)


def test_up_to_six_that_drifted_are_drawn() -> None:
    drifted = [value(f"f{n}", drifted=True) for n in range(8)]
    report = Report(head(), [value("joint", drifted=True), *drifted, value("calm")])
    assert names(to_draw(report, None)) == [f"f{n}" for n in range(6)]
    assert names(to_draw(report, "calm")) == ["calm"]


def test_where_none_drifted_the_nearest_is_drawn() -> None:
    report = Report(head(), [value("joint", drifted=True), value("near"), value("far")])
    assert names(to_draw(report, None)) == ["near"]
    assert to_draw(Report(head(), []), None) == []


def test_what_cannot_be_drawn_is_told() -> None:
    report = Report(head(), [value("joint"), value("words"), value("chars")])
    with pytest.raises(ReportMissing, match="no feature 'nose'; it has: chars, words"):
        to_draw(report, "nose")
    with pytest.raises(ReportMissing, match="joint is no column of its own"):
        to_draw(report, "joint")
    with pytest.raises(ReportMissing, match="Report 7 has nothing to draw: so it is"):
        drift_report.draw(report, [], Path("x.png"))


def test_values_are_told_in_words_and_with_what_they_are_held_against() -> None:
    report = Report(head(alpha=0.025), [value("joint", drifted=True), value("chars")])
    told = printed(values_table(report.values), explained(report)).replace("\n", " ")
    assert "all together" in told and "drifts above" in told
    assert "5.30" in told and "3.14" in told
    assert "in standard errors" in told
    assert "2.5% say drift" in told
    assert "ROC AUC" not in told
    report.values.append(value("text", method="abs_text_content_drift"))
    assert "ROC AUC" in explained(report)


def test_the_reference_is_named() -> None:
    assert "1,500, against 718 of training" in printed(head_table(head()))
    live = printed(head_table(head(reference="window", reference_from=AT, reference_to=AT)))
    assert "1,500, against 718 of an earlier window" in live
    assert live.count("2026-01-02") >= 4


def test_a_page_that_is_gone_says_why(tmp_path: Path) -> None:
    there = tmp_path / "drift-1.html"
    there.write_text("page")
    assert page(head(html_path=str(there))) == there
    assert str(there) in printed(head_table(head(html_path=str(there)))).replace("\n", "")
    gone = head(html_path=str(tmp_path / "drift-0.html"))
    with pytest.raises(ReportMissing, match=r"was removed.*PLUMBLINE_DRIFT_PAGES.*drift show 7"):
        page(gone)
    assert "removed, for newer ones" in printed(head_table(gone))
    elsewhere = head(html_path=str(tmp_path / "none" / "drift-0.html"))
    with pytest.raises(ReportMissing, match="is not on this machine at"):
        page(elsewhere)
    with pytest.raises(ReportMissing, match="Report 7 has no page"):
        page(head())
