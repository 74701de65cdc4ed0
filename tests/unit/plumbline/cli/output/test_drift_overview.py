from datetime import UTC, datetime
from typing import Any

from plumbline.cli.output.drift_overview import alerts_text, drift_text, no_verdict
from storage.reports.current_verdicts import CurrentVerdict
from tests.rows import row

AT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def verdict(**fields: Any) -> CurrentVerdict:
    defaults: dict[str, Any] = {
        "id": 7, "model": "m/1.0.0", "source": None, "verdict": "drift", "summary": "words drifted",
        "created_at": AT,
    }  # fmt: skip
    return CurrentVerdict(**defaults | fields)


def test_worst_verdict_is_shown_with_its_model_source_and_report() -> None:
    current = [verdict(source="shop\x1b[2J"), verdict(source="mail"), verdict(verdict="stable")]
    worst, report, summary, other = drift_text(current, "m/1.0.0", True).plain.split("\n")
    assert worst == "drift: m/1.0.0, source shop\\x1b[2J"
    assert report.startswith("report 7, ")
    assert summary == "words drifted"
    # What is stable needs no line beside an alarm.
    assert other == "also drift: m/1.0.0, source mail"


def test_long_list_is_cut() -> None:
    current = [verdict(source=str(number)) for number in range(20)]
    assert drift_text(current, "m/1.0.0", True).plain.endswith("\nand 14 more")


def test_missing_verdict_is_explained() -> None:
    assert no_verdict(None, False) == "no report yet"
    assert no_verdict("m/2.0.0", False) == "no report on m/2.0.0 yet"
    assert no_verdict("m/2.0.0", True) == "no report on m/2.0.0 since its reference changed"
    assert drift_text([], "m/2.0.0", False).plain == "no report on m/2.0.0 yet"


def test_open_alerts_are_counted_and_named() -> None:
    assert alerts_text([]).plain == "none is open"
    alerts = [row(rule="drift", subject=f"m, source {n}", severity="warning") for n in range(7)]
    lines = alerts_text(alerts).plain.split("\n")
    assert lines[0] == "7 open, the worst: warning; see `plumbline alerts`"
    assert lines[1] == "drift: m, source 0"
    assert lines[-1] == "and 2 more"
