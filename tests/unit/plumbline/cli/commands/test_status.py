import pytest

from plumbline.cli.commands.status import SystemStatus, format_age, status_document
from plumbline_client.states import JobState
from storage.reports.status import Status

KEYS = {
    "ok", "counts", "estimated_counts", "oldest_queued_s", "scored_last_minute",
    "rejected_messages_last_day", "live_model", "shadow_model",
    "canary_model", "canary_share", "drift_verdict",
    "drift_at", "drift_model", "drift_source", "drift_report", "drift_summary",
    "open_alerts", "queued_messages", "workers", "database_error", "broker_error",
}  # fmt: skip
LEDGER = Status({JobState.SCORED: 2}, None, 2, "m/1.0.0")


@pytest.mark.parametrize(
    ("current", "ok"),
    [
        (SystemStatus(LEDGER, None, 0, ["w"], None), True),
        (SystemStatus(LEDGER, None, None, [], "Redis is down."), False),
        (SystemStatus(None, "PostgreSQL is down.", 3, ["w"], None), False),
        (SystemStatus(None, "PostgreSQL is down.", None, [], "Redis is down."), False),
    ],
)
def test_document_has_every_key_whatever_is_down(current: SystemStatus, ok: bool) -> None:
    assert status_document(current).keys() == KEYS
    assert status_document(current)["ok"] is ok


@pytest.mark.parametrize(
    ("age_s", "expected"), [(0.3, "0.3 s"), (90, "1.5 m"), (7_200, "2.0 h"), (129_600, "1.5 d")]
)
def test_age_has_the_unit_that_fits(age_s: float, expected: str) -> None:
    assert format_age(age_s) == expected
