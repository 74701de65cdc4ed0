import pytest

from plumbline.cli.commands.status import Standing, age, document
from storage.reports.status import Status

KEYS = {
    "ok", "counts", "oldest_queued_s", "scored_last_minute", "live_model", "shadow_model",
    "canary_model", "canary_share", "drift_verdict",
    "drift_at", "queued_messages", "workers", "database_error", "broker_error",
}  # fmt: skip
LEDGER = Status({"scored": 2}, None, 2, "m/1.0.0", None, None)


@pytest.mark.parametrize(
    ("found", "ok"),
    [
        (Standing(LEDGER, None, 0, ["w"], None), True),
        (Standing(LEDGER, None, None, [], "Redis is away."), False),
        (Standing(None, "PostgreSQL is away.", 3, ["w"], None), False),
        (Standing(None, "PostgreSQL is away.", None, [], "Redis is away."), False),
    ],
)
def test_the_document_has_every_key_whatever_is_down(found: Standing, ok: bool) -> None:
    assert document(found).keys() == KEYS
    assert document(found)["ok"] is ok


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.3, "0.3 s"), (90, "1.5 m"), (7_200, "2.0 h"), (129_600, "1.5 d")]
)
def test_ages_are_in_the_unit_that_fits(seconds: float, expected: str) -> None:
    assert age(seconds) == expected
